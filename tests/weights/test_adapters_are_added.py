"""A genome's adapters are what float64 arithmetic says, from any store, for any sink."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import save

from cycleqd.errors import CycleQDError, ObjectNotFound, StoreCorrupt
from cycleqd.evolution.genome import Genome, expert_genome
from cycleqd.records import keys
from cycleqd.store import open_store
from cycleqd.weights.adapters import StoredAdapters, folded, store_adapter

if TYPE_CHECKING:
    from pathlib import Path

    from cycleqd.store import ObjectStore
    from cycleqd.weights.adapters import Pair
    from tests.weights.lineage import Family

pytestmark = pytest.mark.runtime

RANK = 3


def some_pairs(exact: Family, seed: int) -> dict[str, Pair]:
    """Random matrices, of numbers that bf16 has, for every second matrix of the model."""
    random = torch.Generator().manual_seed(seed)
    shapes = {s.name: s.shape for s in exact.layout.tensors if len(s.shape) == 2}
    return {
        name: (
            (torch.randn(shape[0], RANK, generator=random) * 0.1).bfloat16().float(),
            (torch.randn(RANK, shape[1], generator=random) * 0.1).bfloat16().float(),
        )
        for number, (name, shape) in enumerate(shapes.items())
        if number % 2 == 0
    }


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(str(tmp_path / "store"))


@pytest.fixture
def tuned(exact: Family) -> Genome:
    """Two adapters on an expert, with a factor of their own in each tensor."""
    count = len(exact.layout.tensors)
    factors = np.stack([np.linspace(-1, 1, count), np.linspace(0.2, 2, count)])
    return Genome(
        exact.layout,
        expert_genome(exact.layout, "sql").scale,
        adapters=("c000001", "c000002"),
        adapter_scale=factors.astype(np.float32),
    )


def test_sums_are_those_of_float64(
    exact: Family, store: ObjectStore, tuned: Genome, tmp_path: Path
) -> None:
    pairs = {f"c00000{n}": some_pairs(exact, n) for n in (1, 2)}
    for candidate, learned in pairs.items():
        store_adapter(store, candidate, learned)
    source = StoredAdapters(store, tmp_path / "cache")
    materializer = exact.materializer(adapter_source=source)
    made = materializer.to_ram(tuned)
    expert = exact.model("sql")
    assert tuned.adapter_scale is not None
    for number, slot in enumerate(exact.layout.tensors):
        expected = expert[slot.name].clone()
        for row, candidate in zip(tuned.adapter_scale, tuned.adapters, strict=True):
            if slot.name in pairs[candidate]:
                left, right = pairs[candidate][slot.name]
                expected += float(row[number]) * left.double() @ right.double()
        assert torch.allclose(made[slot.name].double(), expected, atol=1e-6)
    threaded = exact.materializer(adapter_source=source, threads=3)
    assert threaded.digest(tuned) == materializer.digest(tuned)
    assert materializer.to_file(tuned, tmp_path / "model") == materializer.digest(tuned)


def test_the_first_one_that_is_stored_stays(
    exact: Family, store: ObjectStore, tmp_path: Path
) -> None:
    first, second = some_pairs(exact, 1), some_pairs(exact, 2)
    store_adapter(store, "c000001", first)
    store_adapter(store, "c000001", second)
    found = StoredAdapters(store, tmp_path / "cache").adapter("c000001")
    assert found.keys() == first.keys()
    assert all(torch.equal(found[name][0], first[name][0]) for name in first)
    assert all(torch.equal(found[name][1], first[name][1]) for name in first)


def test_what_is_missing_is_named(
    exact: Family, store: ObjectStore, tuned: Genome, tmp_path: Path
) -> None:
    with pytest.raises(CycleQDError, match="no source for the adapter of candidate c000001"):
        exact.materializer().to_ram(tuned)
    source = StoredAdapters(store, tmp_path / "cache")
    with pytest.raises(ObjectNotFound):
        exact.materializer(adapter_source=source).to_ram(tuned)
    name = next(iter(some_pairs(exact, 1)))
    lone = {f"{name}.B": torch.zeros(2, RANK)}
    store.create(keys.adapter("c000009"), save(lone))
    with pytest.raises(StoreCorrupt, match=r"adapter\.safetensors: .*\.A.* is missing"):
        source.adapter("c000009")


def test_zero_factors_need_no_adapter_s_arithmetic(
    exact: Family, store: ObjectStore, tmp_path: Path
) -> None:
    store_adapter(store, "c000001", some_pairs(exact, 1))
    base = expert_genome(exact.layout, "sql")
    tuned = Genome(
        exact.layout,
        base.scale,
        adapters=("c000001",),
        adapter_scale=np.zeros((1, len(exact.layout.tensors)), np.float32),
    )
    source = StoredAdapters(store, tmp_path / "cache")
    made = exact.materializer(adapter_source=source)
    assert made.digest(tuned) == made.digest(base)


def test_folding_is_the_best_of_its_rank(
    exact: Family, store: ObjectStore, tuned: Genome, tmp_path: Path
) -> None:
    pairs = {f"c00000{n}": some_pairs(exact, n) for n in (1, 2)}
    for candidate, learned in pairs.items():
        store_adapter(store, candidate, learned)
    source = StoredAdapters(store, tmp_path / "cache")
    whole, less = folded(tuned, source, 2 * RANK), folded(tuned, source, 2)
    assert tuned.adapter_scale is not None
    assert whole.keys() == less.keys() == pairs["c000001"].keys()
    names = [slot.name for slot in exact.layout.tensors]
    for name, (left, right) in whole.items():
        number = names.index(name)
        product = sum(
            float(row[number])
            * pairs[candidate][name][0].double()
            @ pairs[candidate][name][1].double()
            for row, candidate in zip(tuned.adapter_scale, tuned.adapters, strict=True)
        )
        assert torch.allclose(left.double() @ right.double(), product, atol=1e-5)
        rows, values, columns = torch.linalg.svd(product)
        best = rows[:, :2] * values[:2] @ columns[:2]
        assert less[name][0].shape[1] == less[name][1].shape[0] == 2
        assert torch.allclose(less[name][0].double() @ less[name][1].double(), best, atol=1e-5)
        # Both sides weigh the same, so that both learn at the same pace.
        assert left.norm().item() == pytest.approx(right.norm().item(), rel=1e-4)


def test_nothing_is_folded_of_a_genome_without_adapters(
    exact: Family, store: ObjectStore, tmp_path: Path
) -> None:
    source = StoredAdapters(store, tmp_path / "cache")
    assert folded(expert_genome(exact.layout, "sql"), source, 4) == {}
