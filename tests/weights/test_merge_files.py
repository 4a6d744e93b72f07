"""Interpolating two checkpoints file to file equals the fp32 computation rounded once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from cycleqd.errors import CheckpointError
from cycleqd.evolution.genome import scaled_experts_genome
from cycleqd.weights.checkpoint import Checkpoint
from cycleqd.weights.merge import merge_files
from tests.checkpoints import family, llama_config, random_state, write_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

    from tests.weights.lineage import Family

pytestmark = pytest.mark.runtime


@pytest.mark.parametrize("t", [0.0, 0.25, 0.7, 1.0])
@pytest.mark.parametrize("threads", [1, 2])
def test_one_rounding(small: Family, tmp_path: Path, t: float, threads: int) -> None:
    a, b = small.folders["sql"], small.folders["python"]
    merge_files(a, b, t, tmp_path / "out", threads=threads)
    merged = Checkpoint.open(tmp_path / "out")
    for name, tensor in merged:
        x, y = small.experts["sql"].tensor(name), small.experts["python"].tensor(name)
        assert torch.equal(tensor, torch.lerp(x.float(), y.float(), t).to(torch.bfloat16))


def test_every_layout_gives_the_same_model(small: Family, tmp_path: Path) -> None:
    state = {name: tensor.clone() for name, tensor in small.experts["python"]}
    config = small.base.header.config
    write_checkpoint(tmp_path / "sharded", config, state, shards=3)
    write_checkpoint(tmp_path / "wide", config, {n: t.float() for n, t in state.items()})
    digests = set()
    for number, other in enumerate(("sharded", "wide", small.folders["python"])):
        out = tmp_path / f"out-{number}"
        merge_files(small.folders["sql"], tmp_path / other, 0.5, out, threads=1)
        digests.add(Checkpoint.open(out).digest())
    assert len(digests) == 1


def test_agrees_with_the_genome(exact: Family, tmp_path: Path) -> None:
    merge_files(exact.folders["sql"], exact.folders["python"], 0.5, tmp_path / "out", threads=1)
    made = exact.materializer().to_ram(scaled_experts_genome(exact.layout, [0.5, 0.5, 0.0]))
    for name, tensor in Checkpoint.open(tmp_path / "out"):
        torch.testing.assert_close(tensor, made[name], rtol=0, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_torch_interpolates_in_fp32(dtype: torch.dtype) -> None:
    """What the fused pass relies on."""
    torch.manual_seed(0)
    a, b = torch.randn(2, 100_000).to(dtype)
    for t in (0.3, 0.77):
        assert torch.equal(torch.lerp(a, b, t), torch.lerp(a.float(), b.float(), t).to(dtype))


def test_other_architectures_are_refused(small: Family, tmp_path: Path) -> None:
    config = llama_config(hidden=128)
    other = write_checkpoint(tmp_path / "other", config, random_state(config, 0))
    with pytest.raises(CheckpointError, match=r"other: tensor .* expected shape"):
        merge_files(small.folders["sql"], other, 0.5, tmp_path / "out", threads=1)
    assert not (tmp_path / "out").exists()


def test_a_stored_copy_of_a_tied_head_is_dropped(tmp_path: Path) -> None:
    folders = family(tmp_path)
    for name in ("sql", "python"):
        state = {n: t.clone() for n, t in Checkpoint.open(folders[name])}
        state["lm_head.weight"] = state["model.embed_tokens.weight"].clone()
        write_checkpoint(folders[name], llama_config(), state)
    merge_files(folders["sql"], folders["python"], 0.5, tmp_path / "out", threads=1)
    merged = Checkpoint.open(tmp_path / "out").header
    assert not merged.tied_heads
    assert "lm_head.weight" not in merged.by_name
