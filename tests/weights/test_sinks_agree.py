"""Memory, folder and engine receive the same bytes, for any number of threads and any sharding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cycleqd.errors import InputError
from cycleqd.evolution.genome import Genome, Noise, base_genome, scaled_experts_genome
from cycleqd.weights import combine
from cycleqd.weights.checkpoint import Checkpoint
from cycleqd.weights.digest import DigestingIterator
from tests.weights.lineage import Family, add_gain, draw

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.runtime


@pytest.fixture
def child(small: Family) -> Genome:
    """Something of everything that is drawn or multiplied."""
    random = np.random.default_rng(1)
    genome = scaled_experts_genome(small.layout, [0.7, 0.5])
    genome = add_gain(genome, 0, small.layout, draw(small.layout, random))
    return Genome(small.layout, genome.scale, genome.gain, noise=(Noise(3, 1e-3, 0.5),))


@pytest.fixture(autouse=True)
def _many_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small tensors in several blocks."""
    for name in ("_STEP", "_BLOCK", "_PRODUCT_BLOCK", "_NOISE_BLOCK"):
        monkeypatch.setattr(combine, name, 1 << 9)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", [None, "float32", "float16"])
def test_same_bytes(
    small: Family, child: Genome, tmp_path: Path, threads: int, dtype: str | None
) -> None:
    one = small.materializer(dtype=dtype)
    many = small.materializer(dtype=dtype, threads=threads)
    engine = DigestingIterator(many.tensors(child))
    received = dict(engine)
    memory = many.to_ram(child)
    written = many.to_file(child, tmp_path / "child")

    assert one.digest(child) == many.digest(child) == engine.digest == written
    assert Checkpoint.open(tmp_path / "child").digest() == written
    on_disk = load_file(tmp_path / "child" / "model.safetensors")
    assert list(received) == [slot.name for slot in small.layout.tensors]
    assert received.keys() == memory.keys() == on_disk.keys()
    for name, tensor in received.items():
        assert torch.equal(tensor, memory[name])
        assert torch.equal(tensor, on_disk[name])


def test_shards_hold_the_same_model(small: Family, child: Genome, tmp_path: Path) -> None:
    materializer = small.materializer()
    whole = materializer.to_file(child, tmp_path / "whole")
    sharded = materializer.to_file(child, tmp_path / "sharded", shard_bytes=20_000)
    assert len(list((tmp_path / "sharded").glob("model-*-of-*.safetensors"))) > 2
    assert Checkpoint.open(tmp_path / "sharded").digest() == whole == sharded


def test_torch_threads_are_left_as_they_were(small: Family, child: Genome) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        alone = small.materializer().digest(child)
        assert torch.get_num_threads() == 2
        torch.set_num_threads(1)
        assert small.materializer().digest(child) == alone
    finally:
        torch.set_num_threads(before)


def test_unchanged_tensors_are_not_copied_to_an_engine(small: Family) -> None:
    name = "model.embed_tokens.weight"
    passed = dict(small.materializer().tensors(scaled_experts_genome(small.layout, [0.5, 0.9])))
    assert passed[name].data_ptr() == small.base.tensor(name).data_ptr()


def test_memory_belongs_to_the_caller(small: Family) -> None:
    before = small.base.digest()
    materializer = small.materializer()
    for tensor in materializer.to_ram(base_genome(small.layout)).values():
        tensor.zero_()
    assert materializer.digest(base_genome(small.layout)) == before


def test_an_existing_folder_is_not_overwritten(small: Family, tmp_path: Path) -> None:
    (tmp_path / "child").mkdir()
    (tmp_path / "child" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        small.materializer().to_file(base_genome(small.layout), tmp_path / "child")
    assert [path.name for path in tmp_path.iterdir()] == ["child"]
