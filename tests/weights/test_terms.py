"""Noise, dense task vectors and child SVD mean what the genome's documentation says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from cycleqd.evolution import rng
from cycleqd.evolution.genome import ChildSVD, Dense, Genome, Noise, base_genome, expert_genome
from cycleqd.records import keys
from cycleqd.weights.task_vectors import StoredTaskVectors

if TYPE_CHECKING:
    from pathlib import Path

    from tests.checkpoints import family
from tests.checkpoints import family
from tests.weights.lineage import Family

pytestmark = pytest.mark.runtime


def test_noise_is_regenerated_from_its_seed(exact: Family) -> None:
    base = base_genome(exact.layout)
    noisy = Genome(exact.layout, base.scale, noise=(Noise(5, 0.01, 0.5), Noise(6, 0.02, 1.0)))
    made = exact.materializer().to_ram(noisy)
    assert exact.materializer().digest(noisy) == exact.materializer(threads=2).digest(noisy)
    assert exact.materializer(seed=8).digest(noisy) != exact.materializer().digest(noisy)
    change = torch.cat([(made[n] - exact.base.tensor(n)).flatten() for n in made])
    expected = (0.005**2 + 0.02**2) ** 0.5
    assert abs(float(change.std()) - expected) < 0.02 * expected
    name = "model.norm.weight"
    drawn = sum(
        rng.stream(7, candidate, "noise", name, "0").normal(64) * factor
        for candidate, factor in ((5, 0.005), (6, 0.02))
    )
    np.testing.assert_allclose((made[name] - exact.base.tensor(name)).numpy(), drawn, atol=3e-7)


def _child(family: Family, rank: int | None) -> Genome:
    scale = expert_genome(family.layout, "sql").scale * 0.5
    scale += expert_genome(family.layout, "python").scale * 0.8
    return Genome(family.layout, scale, child_svd=ChildSVD(9, 0.6, rank))


@pytest.mark.parametrize("rank", [None, 4])
def test_child_svd_scales_the_child_s_singular_values(exact: Family, rank: int | None) -> None:
    made = exact.materializer().to_ram(_child(exact, rank))
    base, sql, python = (exact.model(name) for name in ("base", "sql", "python"))
    for slot in exact.layout.tensors:
        name = slot.name
        expected = 0.5 * (sql[name] - base[name]) + 0.8 * (python[name] - base[name])
        if slot.rank:
            u, s, v = torch.linalg.svd(expected, full_matrices=False)
            kept = rank or slot.rank
            w = rng.stream(7, 9, "child-svd", name).uniform(kept) * 0.6
            s[:kept] *= 1 + torch.from_numpy(w)
            expected = u @ torch.diag(s) @ v
        torch.testing.assert_close(made[name].double(), base[name] + expected, rtol=0, atol=3e-6)


def test_child_svd_does_not_depend_on_torch_threads(tmp_path: Path) -> None:
    made = Family(family(tmp_path, hidden=512, heads=8, layers=1), tmp_path / "cache")
    child = _child(made, None)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = made.materializer().digest(child)
        torch.set_num_threads(2)
        assert made.materializer().digest(child) == alone
        assert made.materializer(threads=2).to_file(child, tmp_path / "child") == alone
    finally:
        torch.set_num_threads(before)


def test_the_stored_task_vector_is_the_child(exact: Family, tmp_path: Path) -> None:
    source = StoredTaskVectors(exact.store, tmp_path)
    materializer = exact.materializer(dense_source=source)
    child = _child(exact, None)
    stored = materializer.store_task_vector(child, "000009", exact.store)
    assert stored.dense == (Dense("000009", 1.0),)
    assert materializer.digest(stored) == materializer.digest(child)

    # What is there wins, also over another genome of the same name.
    before = exact.store.read(keys.task_vector("000009"))
    other = expert_genome(exact.layout, "shell")
    again = materializer.store_task_vector(other, "000009", exact.store)
    assert exact.store.read(keys.task_vector("000009")) == before
    assert materializer.digest(again) == materializer.digest(child)


def test_zero_tensors_are_not_stored(small: Family, tmp_path: Path) -> None:
    source = StoredTaskVectors(small.store, tmp_path)
    small.materializer().store_task_vector(_child(small, 3), "000001", small.store)
    assert "model.embed_tokens.weight" not in source.task_vector("000001")
    assert "model.norm.weight" in source.task_vector("000001")


def test_a_cache_does_not_serve_another_run(small: Family, tmp_path: Path) -> None:
    from cycleqd.store import MemoryStore

    digests = []
    for name in ("sql", "python"):
        store = MemoryStore()
        materializer = small.materializer(dense_source=StoredTaskVectors(store, tmp_path))
        stored = materializer.store_task_vector(expert_genome(small.layout, name), "0", store)
        digests.append(materializer.digest(stored))
    assert digests == [small.experts[name].digest() for name in ("sql", "python")]
