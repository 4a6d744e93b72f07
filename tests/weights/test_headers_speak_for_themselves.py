"""Order, blocks and layout follow from headers alone: whatever the sharding, and without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cycleqd.checkpoints.header import CheckpointHeader, block_numbers, layout
from cycleqd.checkpoints.safetensors_file import build_header, read_header
from cycleqd.weights.checkpoint import Checkpoint
from tests.checkpoints import family

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.runtime


def test_sharding_does_not_matter(tmp_path: Path) -> None:
    single = Checkpoint.open(family(tmp_path / "single", experts=(), layers=12)["base"])
    sharded = Checkpoint.open(family(tmp_path / "sharded", experts=(), layers=12, shards=5)["base"])
    assert len(sharded.files) == 5
    assert layout(single.header, ["a"], 7) == layout(sharded.header, ["a"], 7)
    assert single.digest() == sharded.digest() == sharded.digest(hashers=1)
    blocks = [slot.block for slot in layout(single.header, ["a"], None).tensors]
    assert blocks == sorted(blocks)
    assert blocks[0] == 0
    assert blocks[-1] == 13


@pytest.mark.parametrize(
    ("names", "blocks"),
    [
        pytest.param(
            [
                "model.embed_tokens.weight",
                "model.layers.0.mlp.down_proj.weight",
                "model.layers.10.self_attn.q_proj.bias",
                "model.layers.10.block_sparse_moe.experts.3.w1.weight",
                "model.norm.weight",
                "lm_head.weight",
            ],
            [0, 1, 11, 11, 12, 12],
            id="llama, qwen, mixtral",
        ),
        pytest.param(
            ["wte.weight", "wpe.weight", "h.1.attn.c_attn.weight", "ln_f.weight"],
            [0, 0, 2, 3],
            id="gpt2",
        ),
        pytest.param(
            [
                "gpt_neox.embed_in.weight",
                "gpt_neox.layers.2.attention.dense.bias",
                "gpt_neox.final_layer_norm.bias",
                "embed_out.weight",
            ],
            [0, 3, 4, 4],
            id="neox",
        ),
        pytest.param(
            [
                "model.decoder.embed_tokens.weight",
                "model.decoder.embed_positions.weight",
                "model.decoder.layers.0.fc1.weight",
                "model.decoder.final_layer_norm.weight",
            ],
            [0, 0, 1, 2],
            id="opt",
        ),
        pytest.param(
            [
                "transformer.word_embeddings.weight",
                "transformer.word_embeddings_layernorm.weight",
                "transformer.h.0.mlp.dense_h_to_4h.weight",
                "transformer.ln_f.weight",
            ],
            [0, 0, 1, 2],
            id="bloom, falcon",
        ),
        pytest.param(
            ["transformer.wte.weight", "transformer.blocks.3.ffn.up_proj.weight"], [0, 4], id="mpt"
        ),
    ],
)
def test_blocks_of_families(names: list[str], blocks: list[int]) -> None:
    assert list(block_numbers(names).values()) == blocks


def test_ranks(small_header: CheckpointHeader) -> None:
    ranks = {slot.name: slot.rank for slot in layout(small_header, ["a"], None).tensors}
    assert ranks["model.layers.0.mlp.down_proj.weight"] == 64
    assert ranks["model.layers.0.self_attn.k_proj.weight"] == 32
    assert ranks["model.norm.weight"] == 0
    cut = {slot.name: slot.rank for slot in layout(small_header, ["a"], 40).tensors}
    assert cut["model.layers.0.mlp.down_proj.weight"] == 40
    assert cut["model.layers.0.self_attn.k_proj.weight"] == 32


@pytest.fixture
def small_header(tmp_path: Path) -> CheckpointHeader:
    return CheckpointHeader.open(family(tmp_path, experts=())["base"])


def test_no_torch_is_needed(tmp_path: Path) -> None:
    folders = family(tmp_path, experts=("sql",))
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from pathlib import Path\n"
        "from cycleqd.checkpoints.header import CheckpointHeader, layout\n"
        "from cycleqd.checkpoints.compatibility import check_headers\n"
        "base, expert = (CheckpointHeader.open(Path(p)) for p in sys.argv[1:])\n"
        "check_headers(base, expert)\n"
        "print(layout(base, ['sql'], None).directions)\n"
    )
    arguments = [sys.executable, "-c", program, str(folders["base"]), str(folders["sql"])]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0


def test_written_headers_are_aligned_and_read_back(tmp_path: Path) -> None:
    entries = [("b", "BF16", (3, 5)), ("a", "F32", ()), ("empty", "F16", (0, 4))]
    header, offsets, size = build_header(entries, {"cycleqd": json.dumps({"x": 1})})
    assert len(header) % 64 == 0
    path = tmp_path / "file.safetensors"
    path.write_bytes(header + bytes(size - len(header)))
    read = read_header(path)
    assert sorted((t.name, t.dtype, t.shape) for t in read.tensors) == sorted(entries)
    assert {t.name: t.start for t in read.tensors} == offsets
    assert read.metadata == {"cycleqd": '{"x": 1}'}
