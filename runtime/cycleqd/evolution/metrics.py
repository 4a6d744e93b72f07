"""Measures of a whole set of candidates that are not those of a single archive."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import fsum, prod, sqrt

import numpy as np
import numpy.typing as npt

from cycleqd.evolution.rng import stream

Float64 = npt.NDArray[np.float64]

EXACT_OBJECTIVES = 4
"""Up to so many objectives the hypervolume is exact; its cost grows with their power."""

SAMPLES = 1 << 14
"""Fixed points of the estimate beyond; its standard error is at most 0.004."""


def pareto_front(points: Iterable[Sequence[float]]) -> list[tuple[float, ...]]:
    """The points that no other point equals or exceeds everywhere, each once, sorted descending."""
    unique = sorted({tuple(float(x) for x in point) for point in points}, reverse=True)
    front: list[tuple[float, ...]] = []
    for point in unique:
        # In descending order only an earlier point can dominate a later one.
        if not any(all(a >= b for a, b in zip(other, point, strict=True)) for other in front):
            front.append(point)
    return front


def hypervolume(points: Iterable[Sequence[float]]) -> float:
    """Volume of [0, p] united over all points: what scores the set reaches together.

    Maximisation with the origin as reference point. Exact up to four objectives, by slicing along
    the last one (HSO, While et al., 2006). Beyond, where slices become too many, it is the share of
    fixed points of the unit cube that the set dominates: the same set has the same value anywhere,
    and a growing set never loses.

    Args:
        points: scores in [0, 1], one tuple for each candidate, all of one length.
    """
    given = [tuple(float(x) for x in point) for point in points]
    if not given:
        return 0.0
    objectives = len(given[0])
    return _volume(given) if objectives <= EXACT_OBJECTIVES else _estimate(given, objectives)


def _volume(points: list[tuple[float, ...]]) -> float:
    if len(points[0]) == 1:
        return max(point[0] for point in points)
    if len(points[0]) == 2:
        return _area(_staircase(points))
    levels: dict[float, list[tuple[float, ...]]] = {}
    for point in points:
        levels.setdefault(point[-1], []).append(point[:-1])
    heights = sorted(levels, reverse=True)
    total = 0.0
    slab: list[tuple[float, ...]] = []
    for height, below in zip(heights, [*heights[1:], 0.0], strict=True):
        slab += levels[height]
        if len(slab[0]) == 2:
            slab = _staircase(slab)
        total += (height - below) * _volume(slab)
    return total


def _staircase(points: list[tuple[float, ...]]) -> list[tuple[float, ...]]:
    """The Pareto front in the plane: x descending, y ascending."""
    steps: list[tuple[float, ...]] = []
    for point in sorted(points, reverse=True):
        if not steps or point[1] > steps[-1][1]:
            steps.append(point)
    return steps


def _area(steps: list[tuple[float, ...]]) -> float:
    area = height = 0.0
    for x, y in steps:
        area += x * (y - height)
        height = y
    return area


@lru_cache(maxsize=2)
def _samples(objectives: int) -> Float64:
    """(objectives, SAMPLES) float64 in [0, 1), the same for ever."""
    return stream(0, 0, "hypervolume").uniform(SAMPLES * objectives).reshape(objectives, SAMPLES)


def _estimate(points: list[tuple[float, ...]], objectives: int) -> float:
    left = _samples(objectives)
    for point in sorted(points, key=prod, reverse=True):  # the largest first leave few to look at
        dominated = np.logical_and.reduce(left < np.array(point)[:, None])
        if dominated.any():
            left = left[:, ~dominated]
    return 1.0 - float(left.shape[1]) / SAMPLES


def geometric_mean(scores: Iterable[float]) -> float:
    """Geometric mean of scores in [0, 1]; 0 as soon as one skill is lost."""
    # Sorted, because products in another order round differently, and equals must stay equal.
    values = sorted(scores)
    return float(prod(values) ** (1.0 / len(values)))


def mean_and_error(columns: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Mean over tasks of the mean over items, and its standard error over items.

    Args:
        columns: for each task a value for each of its items, at least one; differences of two
            models item by item give their paired difference.

    Returns:
        The mean, and the standard error that the draw of the items leaves (0 for single items).
    """
    means, variances = [], []
    for column in columns:
        mean = fsum(column) / len(column)
        spread = fsum((value - mean) ** 2 for value in column)
        means.append(mean)
        variances.append(spread / max(1, len(column) - 1) / len(column))
    return fsum(means) / len(means), sqrt(fsum(variances)) / len(columns)
