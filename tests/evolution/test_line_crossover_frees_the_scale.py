"""child = g (x1 + z (x2 - x1)) + step N(0, I), on coefficients written out here."""

from __future__ import annotations

import numpy as np
import pytest

from cycleqd.evolution.crossover import cross, units
from cycleqd.evolution.genome import Genome, expert_genome
from cycleqd.evolution.rng import stream
from cycleqd.manifest.evolution import Crossover, Line
from tests.evolution.dense import small_layout

LAYOUT = small_layout()
BLOCKS = np.array([slot.block for slot in LAYOUT.tensors])
STILL = {"spread": 0.0, "scale_spread": 0.0, "step": 0.0, "split_share": 0.0}


def some_genome(seed: int) -> Genome:
    random = np.random.default_rng(seed)
    scale = random.normal(size=(3, len(LAYOUT.tensors))).astype(np.float32)
    gain = random.normal(scale=0.2, size=(3, LAYOUT.directions)).astype(np.float32)
    return Genome(LAYOUT, scale, gain)


FIRST, SECOND = some_genome(1), some_genome(2)


def children(count: int = 300, granularity: str = "Model", **line: float) -> list[Genome]:
    crossover = Crossover.model_validate(
        {"method": "Line", "granularity": granularity, "line": Line(**{**STILL, **line})}
    )
    return [cross(FIRST, SECOND, crossover, stream(5, n, "crossover")) for n in range(count)]


def factors(child: Genome) -> np.ndarray:
    """(tensors, 2) float64: a child without steps as multiples of its parents."""
    found = []
    for tensor in range(len(LAYOUT.tensors)):
        parents = np.stack([FIRST.scale[:, tensor], SECOND.scale[:, tensor]], axis=1).astype(float)
        found.append(np.linalg.lstsq(parents, child.scale[:, tensor], rcond=None)[0])
    return np.array(found)


def test_without_spread_it_is_the_middle() -> None:
    (child,) = children(1)
    assert np.allclose(child.scale, (FIRST.scale + SECOND.scale) / 2, atol=1e-6)


def test_place_and_scale_follow_their_distributions() -> None:
    found = np.array([factors(c)[0] for c in children(spread=0.3, scale_spread=0.15)])
    scale = found.sum(axis=1)
    place = found[:, 1] / scale
    assert np.log(scale).mean() == pytest.approx(0.0, abs=0.03)
    assert np.log(scale).std() == pytest.approx(0.15, rel=0.15)
    assert place.mean() == pytest.approx(0.5, abs=0.06)
    assert place.std() == pytest.approx(0.3, rel=0.15)
    assert np.corrcoef(np.log(scale), place)[0, 1] == pytest.approx(0.0, abs=0.2)


def test_a_split_exchanges_the_parents_at_a_block() -> None:
    cuts = set()
    for child in children(60, spread=0.3, split_share=1.0):
        share = factors(child)[:, 0]
        assert share[0] + share[-1] == pytest.approx(1.0, abs=1e-5)
        cuts.update(block for block in range(1, LAYOUT.blocks) if _is_cut(share, block))
    assert cuts == set(range(1, LAYOUT.blocks))


def _is_cut(share: np.ndarray, block: int) -> bool:
    parts = share[block > BLOCKS], share[block <= BLOCKS]
    return all(np.ptp(part) < 1e-5 for part in parts)


def test_only_a_share_of_the_children_is_split() -> None:
    split = [np.ptp(factors(c)[:, 0]) > 1e-5 for c in children(spread=0.3, split_share=0.3)]
    assert np.mean(split) == pytest.approx(0.3, abs=0.08)


def test_gains_go_with_the_factors() -> None:
    for child in children(20, spread=0.3, scale_spread=0.15, split_share=0.5):
        for tensor, (first, second) in enumerate(factors(child)):
            where = LAYOUT.directions_of(tensor)
            expected = first * FIRST.gain[:, where] + second * SECOND.gain[:, where]
            assert np.allclose(child.gain[:, where], expected, atol=1e-5)


@pytest.mark.parametrize(("granularity", "distinct"), [("Model", 1), ("Band", 3), ("Tensor", 5)])
def test_steps_have_the_grain_and_leave_gains_alone(granularity: str, distinct: int) -> None:
    middle = (FIRST.scale.astype(float) + SECOND.scale) / 2
    steps = np.array([c.scale - middle for c in children(granularity=granularity, step=0.1)])
    assert steps.std() == pytest.approx(0.1, rel=0.1)
    unit_of = units(LAYOUT, Crossover(granularity=granularity))  # type: ignore[arg-type]
    assert max(unit_of) + 1 == distinct
    for unit in range(distinct):
        same = steps[:, :, [t for t, u in enumerate(unit_of) if u == unit]]
        assert np.ptp(same, axis=2).max() < 1e-5
    (still,) = children(1)
    (moved,) = children(1, step=0.1)
    assert np.array_equal(still.gain, moved.gain)


def test_the_sum_of_factors_is_free() -> None:
    parents = expert_genome(LAYOUT, "a"), expert_genome(LAYOUT, "b")
    crossover = Crossover(method="Line")
    sums = [
        cross(*parents, crossover, stream(0, n, "crossover")).scale.sum(axis=0)[0]
        for n in range(200)
    ]
    assert np.ptp(sums) > 0.5
    linear = cross(*parents, Crossover(), stream(0, 0, "crossover"))
    assert linear.scale.sum(axis=0) == pytest.approx(1.0, abs=1e-6)
