"""Merges without a search equal their papers' formulas in float64, for any sink or threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from cycleqd.evolution import rng
from cycleqd.evolution.combination import combine
from cycleqd.evolution.genome import Genome, Merged, base_genome, expert_genome
from cycleqd.weights import merged_vectors
from cycleqd.weights.merged_vectors import Kept, Source, dare, iso_c, merge, opcm, ties, tsv_m

if TYPE_CHECKING:
    from pathlib import Path

    from tests.weights.lineage import Family

pytestmark = pytest.mark.runtime

SHAPES = [(12, 7), (7, 12), (9, 9), (11,)]
METHODS = [("TIES", 0.2), ("DARE", 0.5), ("IsoC", None), ("TSVM", None), ("OPCM", None)]


def vectors(shape: tuple[int, ...], experts: int = 3) -> list[np.ndarray]:
    random = np.random.default_rng(len(shape) + shape[0])
    return [random.normal(size=shape).astype(np.float32) for _ in range(experts)]


def source(arrays: list[np.ndarray], experts: int = 3) -> Source:
    named = zip("abc", map(torch.from_numpy, arrays), strict=False)
    return Source(dict(named), experts, "layer.weight")


def close(found: torch.Tensor, expected: np.ndarray, tolerance: float = 2e-5) -> None:
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("density", [0.2, 0.5, 1.0])
def test_ties_is_trim_elect_and_disjoint_mean(shape: tuple[int, ...], density: float) -> None:
    arrays = vectors(shape)
    kept = []
    for array in arrays:
        flat = array.astype(np.float64).ravel().copy()
        drop = np.argsort(-np.abs(flat))[max(1, int(density * flat.size)) :]
        flat[drop] = 0.0
        kept.append(flat)
    expected = np.zeros(kept[0].size)
    for place, column in enumerate(np.array(kept).T):
        elected = np.sign(column.sum())
        chosen = [x for x in column if np.sign(x) == elected and x != 0]
        expected[place] = np.mean(chosen) if chosen else 0.0
    close(ties(source(arrays), density), expected.reshape(shape), 1e-6)


def test_ties_of_one_expert_is_its_largest_elements() -> None:
    (array,) = vectors((10, 10), 1)
    made = ties(source([array]), 0.1).numpy()
    assert (made != 0).sum() == 10
    assert np.array_equal(made[made != 0], array[made != 0])


@pytest.mark.parametrize("shape", SHAPES)
def test_dare_drops_and_rescales_by_the_run_s_seed(shape: tuple[int, ...]) -> None:
    arrays = vectors(shape)
    expected = np.zeros(shape)
    for name, array in zip("abc", arrays, strict=True):
        drawn = rng.stream(7, 0, "dare", name, "layer.weight", "0").uniform(array.size)
        expected += array * (drawn < 0.25).reshape(shape) / 0.25
    close(dare(source(arrays), 0.25, 7), expected, 1e-5)
    close(dare(source(arrays), 1.0, 7), sum(arrays), 1e-6)
    assert not torch.equal(dare(source(arrays), 0.5, 7), dare(source(arrays), 0.5, 8))


def test_dare_keeps_the_expectation() -> None:
    ones = [np.ones((700, 300), np.float32)]
    assert dare(source(ones), 0.1, 3).mean().item() == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("shape", SHAPES)
def test_iso_c_flattens_the_spectrum_of_the_sum(shape: tuple[int, ...]) -> None:
    arrays = vectors(shape)
    total = np.sum(np.array(arrays, np.float64), axis=0)
    if len(shape) == 2:
        u, s, vt = np.linalg.svd(total, full_matrices=False)
        close(iso_c(source(arrays)), s.mean() * u @ vt)
    else:
        close(iso_c(source(arrays)), total / 3)


@pytest.mark.parametrize("shape", SHAPES)
def test_tsv_m_orthogonalises_the_leading_directions(shape: tuple[int, ...]) -> None:
    arrays = vectors(shape)
    if len(shape) == 1:
        close(tsv_m(source(arrays)), np.mean(arrays, axis=0))
        return
    k = min(shape) // 3
    parts = [np.linalg.svd(a.astype(np.float64), full_matrices=False) for a in arrays]
    u = np.concatenate([p[0][:, :k] for p in parts], axis=1)
    v = np.concatenate([p[2][:k] for p in parts])
    s = np.concatenate([p[1][:k] for p in parts])
    pu, _, qu = np.linalg.svd(u, full_matrices=False)
    pv, _, qv = np.linalg.svd(v, full_matrices=False)
    close(tsv_m(source(arrays)), (pu @ qu) * s @ (pv @ qv))


@pytest.mark.parametrize("shape", SHAPES)
def test_opcm_adds_what_the_leading_directions_before_do_not_know(shape: tuple[int, ...]) -> None:
    arrays = vectors(shape)
    total = arrays[0].astype(np.float64)
    for array in arrays[1:]:
        if len(shape) == 1:
            total = total + array
            continue
        u, s, vt = np.linalg.svd(total, full_matrices=True)
        projected = u.T @ array @ vt.T
        rank = next(k for k in range(1, len(s) + 1) if s[:k].sum() / s.sum() > 0.5)
        np.fill_diagonal(projected, 0)
        projected[:rank, :rank] = 0
        total = total + u @ projected @ vt
    close(opcm(source(arrays)), total)


def test_opcm_depends_on_the_order() -> None:
    arrays = vectors((12, 7))
    assert (opcm(source(arrays)) - opcm(source(arrays[::-1]))).abs().max() > 0.1
    # What the first expert knows in full is not added again.
    once = opcm(source(arrays[:1], 1))
    assert torch.linalg.matrix_norm(opcm(source([arrays[0]] * 2, 2)) - once) < 1e-4


def test_experts_of_low_rank_leave_what_they_do_not_reach_alone() -> None:
    random = np.random.default_rng(1)
    low = [
        (random.normal(size=(30, 2)) @ random.normal(size=(2, 20))).astype(np.float32)
        for _ in range(3)
    ]
    total = np.sum(np.array(low, np.float64), axis=0)
    u, s, vt = np.linalg.svd(total, full_matrices=False)
    close(iso_c(source(low)), s.mean() * u[:, :6] @ vt[:6], 1e-4)
    # Twice the same expert has no second directions to be made orthogonal to.
    twin = tsv_m(source([low[0], low[0]], 2))
    assert torch.isfinite(twin).all()


@pytest.mark.parametrize(("method", "density"), METHODS)
def test_experts_that_left_a_tensor_alone_are_zeros(method: str, density: float | None) -> None:
    arrays = vectors((12, 7), 2)
    less = merge(source(arrays), method, density, 7)  # type: ignore[arg-type]
    more = merge(source([*arrays, np.zeros((12, 7), np.float32)]), method, density, 7)  # type: ignore[arg-type]
    torch.testing.assert_close(less, more, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("method", "density"), METHODS)
def test_a_genome_s_merged_term_is_added_to_the_base(
    exact: Family, tmp_path: Path, method: str, density: float | None
) -> None:
    base = base_genome(exact.layout)
    genome = Genome(exact.layout, base.scale, merged=(Merged(method, density, 0.7),))  # type: ignore[arg-type]
    made = exact.materializer().to_ram(genome)
    models = {name: exact.model(name) for name in ("base", *exact.experts)}
    for name in made:
        changes = {
            expert: (models[expert][name] - models["base"][name]).float()
            for expert in exact.experts
        }
        expected = merge(Source(changes, 3, name), method, density, 7)  # type: ignore[arg-type]
        torch.testing.assert_close(
            made[name].double(), models["base"][name] + 0.7 * expected.double(), rtol=0, atol=3e-5
        )
    digest = exact.materializer().digest(genome)
    assert exact.materializer(threads=3).digest(genome) == digest
    assert exact.materializer().to_file(genome, tmp_path / "model") == digest
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert exact.materializer().digest(genome) == digest
    finally:
        torch.set_num_threads(before)


def test_merged_terms_cross_like_all_others(exact: Family) -> None:
    merged = Genome(
        exact.layout, base_genome(exact.layout).scale, merged=(Merged("TIES", 0.2, 1.0),)
    )
    half = np.full(len(exact.layout.tensors), 0.5)
    child = combine([(merged, half), (expert_genome(exact.layout, "sql"), half)])
    assert child.merged == (Merged("TIES", 0.2, 0.5),)
    made = [exact.materializer().to_ram(g) for g in (merged, child)]
    for name in made[0]:
        expected = (made[0][name].double() + exact.model("sql")[name]) / 2
        torch.testing.assert_close(made[1][name].double(), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("method", "density"), METHODS)
def test_what_is_kept_of_a_candidate_serves_the_next(
    exact: Family, monkeypatch: pytest.MonkeyPatch, method: str, density: float | None
) -> None:
    scale = base_genome(exact.layout).scale
    first, second = (
        Genome(exact.layout, scale, merged=(Merged(method, density, factor),))  # type: ignore[arg-type]
        for factor in (0.7, 1.3)
    )
    other = Genome(exact.layout, scale, merged=(Merged("TIES", 0.3, 0.7),))
    made: list[str] = []

    def counted(source: Source, *settings: object) -> torch.Tensor:
        made.append(source.tensor)
        return merge(source, *settings)  # type: ignore[arg-type]

    monkeypatch.setattr(merged_vectors, "merge", counted)
    alone = [exact.materializer().digest(genome) for genome in (first, second, other)]
    sizes = [4 * np.prod(slot.shape) for slot in exact.layout.tensors]
    for limit, kept in ((None, len(sizes)), (sizes[0], 1), (0, 0)):
        made.clear()
        vectors = Kept() if limit is None else Kept(int(limit))
        materializer = exact.materializer(kept=vectors)
        assert [materializer.digest(genome) for genome in (first, second)] == alone[:2]
        assert len(made) == 2 * len(sizes) - kept
        assert materializer.digest(other) == alone[2]
        assert len(made) == 3 * len(sizes) - kept


def test_a_frozen_tensor_stays_as_it_is(small: Family) -> None:
    genome = Genome(
        small.layout, base_genome(small.layout).scale, merged=(Merged("IsoC", None, 1.0),)
    )
    made = small.materializer().to_ram(genome)
    name = "model.embed_tokens.weight"
    assert torch.equal(made[name], small.base.tensor(name))
