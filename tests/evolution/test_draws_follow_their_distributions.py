"""Uniform and normal draws have the moments and the distribution function of their names.

Seeds are fixed: each check passes or fails for ever. Limits stand at about 4.5 standard errors.
"""

import math

import numpy as np
import pytest

from cycleqd.evolution.rng import on_grid, stream

N = 200_000


def largest_gap(values, distribution):
    """Kolmogorov and Smirnov's statistic."""
    values = np.sort(values)
    expected = np.array([distribution(v) for v in values[::50]])
    return float(np.abs(expected - (np.arange(0, N, 50) + 0.5) / N).max())


@pytest.mark.parametrize("candidate", [0, 1, 99])
def test_uniform(candidate):
    values = stream(3, candidate, "test").uniform(N)
    assert values.min() >= 0.0
    assert values.max() < 1.0
    assert values.mean() == pytest.approx(0.5, abs=4.5 * math.sqrt(1 / 12 / N))
    assert values.var() == pytest.approx(1 / 12, abs=4.5 * math.sqrt(1 / 180 / N))
    assert largest_gap(values, lambda v: v) < 1.95 / math.sqrt(N)
    assert np.corrcoef(values[:-1], values[1:])[0, 1] == pytest.approx(0.0, abs=4.5 / math.sqrt(N))


@pytest.mark.parametrize("candidate", [0, 1, 99])
def test_normal(candidate):
    values = stream(3, candidate, "test").normal(N)
    assert values.mean() == pytest.approx(0.0, abs=4.5 / math.sqrt(N))
    assert values.var() == pytest.approx(1.0, abs=4.5 * math.sqrt(2 / N))
    assert (values**3).mean() == pytest.approx(0.0, abs=4.5 * math.sqrt(15 / N))
    assert (values**4).mean() == pytest.approx(3.0, abs=4.5 * math.sqrt(96 / N))
    normal = lambda v: 0.5 * (1 + math.erf(v / math.sqrt(2)))  # noqa: E731 - a formula
    assert largest_gap(values, normal) < 1.95 / math.sqrt(N)
    assert np.corrcoef(values[:-1], values[1:])[0, 1] == pytest.approx(0.0, abs=4.5 / math.sqrt(N))


def test_streams_of_neighbouring_candidates_are_uncorrelated():
    draws = np.array([stream(0, candidate, "test").normal(4000) for candidate in range(20)])
    off_diagonal = np.corrcoef(draws)[np.triu_indices(20, 1)]
    assert np.abs(off_diagonal).max() < 4.5 / math.sqrt(4000)


def test_normals_are_finite_multiples_of_the_grid():
    values = stream(0, 0, "grid").normal(N)
    assert np.isfinite(values).all()
    assert np.array_equal(values * 2**24, np.round(values * 2**24))
    # A last-bit difference of a mathematical library disappears.
    assert np.array_equal(on_grid(np.nextafter(values, 10)), values)
