"""Hypervolume, Pareto front and geometric mean against hand values and Monte Carlo."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cycleqd.evolution.metrics import geometric_mean, hypervolume, pareto_front
from tests.strategies import scores


def point_sets(*, min_size=0):
    return st.integers(1, 4).flatmap(
        lambda k: st.lists(st.tuples(*[scores] * k), min_size=min_size, max_size=8)
    )


def by_inclusion_and_exclusion(points):
    """Exact for any number of objectives, in 2^n steps."""
    total = 0.0
    for size in range(1, len(points) + 1):
        for chosen in itertools.combinations(points, size):
            total -= (-1) ** size * np.prod(np.min(chosen, axis=0))
    return total


@pytest.mark.parametrize(
    ("points", "volume"),
    [
        ([], 0.0),
        ([(0.3,), (0.7,)], 0.7),
        ([(0.5, 0.5)], 0.25),
        ([(1.0, 0.5), (0.5, 1.0)], 0.75),
        ([(1.0, 0.5), (0.5, 1.0), (0.4, 0.4)], 0.75),
        ([(1, 1, 0.5), (1, 0.5, 1), (0.5, 1, 1)], 0.875 - 0.0 - 0.0),
        ([(1, 0.5, 0.5), (0.5, 1, 0.5), (0.5, 0.5, 1)], 0.5),
        ([(1, 1, 1, 0.5), (0.5, 1, 1, 1)], 0.75),
        ([(0.5, 0.5, 0.5, 0.5), (1, 0.25, 0.25, 0.25)], 1 / 16 + 1 / 64 - 1 / 128),
        ([(0.0, 1.0, 1.0)], 0.0),
        ([(0.5, 0.5), (0.5, 0.5)], 0.25),
    ],
)
def test_hypervolume_by_hand(points, volume):
    assert hypervolume(points) == pytest.approx(volume, abs=1e-15)


@given(point_sets())
def test_hypervolume_equals_inclusion_and_exclusion(points):
    assert hypervolume(points) == pytest.approx(by_inclusion_and_exclusion(points), abs=1e-9)


@pytest.mark.parametrize(("objectives", "count"), [(2, 60), (3, 200), (4, 200), (5, 60), (6, 100)])
def test_hypervolume_against_monte_carlo(objectives, count):
    random = np.random.default_rng(objectives)
    points = random.random((count, objectives)) ** 0.5
    points *= 0.9 / np.linalg.norm(points, axis=1, keepdims=True) * objectives**0.25
    points = np.round(np.minimum(points, 1.0) * 64) / 64
    darts = random.random((100_000, objectives))
    hit = np.zeros(len(darts), bool)
    for point in points:
        hit |= (darts <= point).all(axis=1)
    error = np.sqrt(hit.mean() * (1 - hit.mean()) * (1 / len(darts) + 1 / 16384))
    assert 0.01 < hit.mean() < 0.99
    assert hypervolume(points.tolist()) == pytest.approx(hit.mean(), abs=4.5 * error)


@given(point_sets(min_size=1), st.randoms(use_true_random=False))
def test_hypervolume_grows_with_the_set_and_not_with_its_order(points, random):
    volume = hypervolume(points)
    assert hypervolume(points[:-1]) <= volume + 1e-12
    shuffled = points[:]
    random.shuffle(shuffled)
    assert hypervolume(shuffled) == volume
    assert hypervolume(pareto_front(points)) == pytest.approx(volume, abs=1e-12)


def test_many_objectives_are_estimated_the_same_way_every_time_and_never_shrink():
    points = (np.random.default_rng(0).random((40, 6)) ** 0.3).tolist()
    values = [hypervolume(points[:n]) for n in range(1, 41)]
    assert values == sorted(values)
    assert values[-1] == hypervolume(points[::-1])
    assert hypervolume([(1.0,) * 6]) == 1.0
    assert hypervolume([(0.8,) * 5]) == pytest.approx(0.8**5, abs=4.5 * 0.004)


@given(point_sets())
def test_pareto_front_is_what_nothing_dominates(points):
    front = pareto_front(points)
    assert front == sorted(set(front), reverse=True)
    for point in {tuple(p) for p in points}:
        dominated = any(
            other != point and all(a >= b for a, b in zip(other, point, strict=True))
            for other in points
        )
        assert (point in front) == (not dominated)


def test_geometric_mean_by_hand():
    assert geometric_mean([0.25, 1.0]) == pytest.approx(0.5)
    assert geometric_mean([0.2, 0.4, 0.8]) == pytest.approx(0.4)
    assert geometric_mean([0.7]) == pytest.approx(0.7)
    assert geometric_mean([0.9, 0.0, 0.9]) == 0.0


@given(st.lists(scores, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_geometric_mean_does_not_see_the_order(values, random):
    shuffled = values[:]
    random.shuffle(shuffled)
    assert geometric_mean(shuffled) == geometric_mean(values)
    assert 0.0 <= geometric_mean(values) <= np.mean(values) + 1e-12
