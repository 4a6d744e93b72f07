"""NSGA-II (Deb et al., 2002): survivors by dominance and crowding, children by SBX and mutation.

Written out, since the library that the field uses for it, pymoo, brings matplotlib, SciPy, autograd
and a compiled package along, and a plan needs a replay that any machine repeats to the last bit.
All objectives are maximised. Ties are broken by the order in which candidates were told.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cycleqd.evolution.rng import on_grid

if TYPE_CHECKING:
    from cycleqd.evolution.rng import Stream

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

CROSSOVER_RATE = 0.9
CROSSOVER_INDEX = 20.0
MUTATION_INDEX = 20.0
"""Deb et al., section IV-A: how often parents are crossed, and how near children are to them."""


def fronts(scores: Float64) -> Int64:
    """The rank of each candidate: 0 if none dominates it, 1 if only those of rank 0 do, ...

    Args:
        scores: (candidates, objectives).

    Returns:
        (candidates,) int64.
    """
    better = (scores[:, None] >= scores[None]).all(axis=2)
    dominates = np.asarray(better & (scores[:, None] > scores[None]).any(axis=2))
    ranks = np.full(len(scores), -1, np.int64)
    rank = 0
    while (ranks < 0).any():
        left = np.flatnonzero(ranks < 0)
        front = left[~dominates[np.ix_(left, left)].any(axis=0)]
        ranks[front] = rank
        rank += 1
    return ranks


def crowding(scores: Float64) -> Float64:
    """How far each candidate of one front is from its neighbours; infinite at the ends.

    Args:
        scores: (candidates, objectives).

    Returns:
        (candidates,) float64, the sum over objectives of the distance between the two neighbours,
        as a share of the objective's range.
    """
    distance = np.zeros(len(scores))
    for values in scores.T:
        order = values.argsort(kind="stable")
        ascending = values[order]
        spread = ascending[-1] - ascending[0]
        distance[order[[0, -1]]] = np.inf
        if spread > 0:
            distance[order[1:-1]] += (ascending[2:] - ascending[:-2]) / spread
    return distance


def ranked(scores: Float64) -> list[int]:
    """Candidates from the best to the worst: by rank, then by crowding, then as they were told."""
    ranks = fronts(scores)
    distance = np.empty(len(scores))
    for rank in range(ranks.max() + 1):
        front = ranks == rank
        distance[front] = crowding(scores[front])
    return [int(place) for place in np.lexsort((-distance, ranks))]


def survivors(told: Sequence[Sequence[float]], first: int, lot: int, population: int) -> list[int]:
    """The population after all candidates were told, lot by lot.

    Args:
        told: scores of each candidate, in the order in which they were told.
        first: how many of them were there at the beginning.
        lot: how many come at a time.
        population: how many survive each time.

    Returns:
        Indices into ``told``, the best first.
    """
    scores = np.array(told, np.float64)
    kept = list(range(min(first, len(told))))
    for begin in range(len(kept), len(told) + 1, lot):
        union = sorted(kept) + list(range(begin, min(begin + lot, len(told))))
        kept = [union[place] for place in ranked(scores[union])[:population]]
    return kept


def tournament(count: int, stream: Stream) -> int:
    """The better of two drawn from ``count`` that are ranked, the best first."""
    return int((stream.uniform(2) * count).astype(np.int64).min())


def cross(first: Float64, second: Float64, largest: float, stream: Stream) -> Float64:
    """One of the two children of simulated binary crossover (Deb and Agrawal, 1995), bounded.

    Args:
        first: (factors,) in [0, largest].
        second: like ``first``.
        largest: upper bound of all factors; the lower one is 0.
        stream: where draws come from; how many are made does not depend on them.

    Returns:
        (factors,) float64; each factor is crossed with probability 1/2, else a parent's own.
    """
    happens, which = stream.uniform(2)
    crossed, spread, swapped = stream.uniform(3 * len(first)).reshape(3, -1)
    own = first if which < 0.5 else second
    low, high = np.minimum(first, second), np.maximum(first, second)
    apart = high - low
    moved = (crossed < 0.5) & (apart > 0) & (happens < CROSSOVER_RATE)
    # The child nearer to the lower parent, or to the higher one, each up to its own bound.
    edge = np.where(swapped < 0.5, low, largest - high)
    room = 1.0 + 2.0 * edge / np.where(apart > 0, apart, 1.0)
    reach = spread * (2.0 - room ** -(CROSSOVER_INDEX + 1.0))
    power = 1.0 / (CROSSOVER_INDEX + 1.0)
    beta = np.where(reach <= 1.0, reach, 1.0 / (2.0 - reach)) ** power
    child = 0.5 * (low + high + np.where(swapped < 0.5, -beta, beta) * apart)
    return np.where(moved, np.clip(child, 0.0, largest), own)


def mutate(point: Float64, largest: float, stream: Stream) -> Float64:
    """Polynomial mutation (Deb et al., 2002), bounded: one factor in expectation.

    Args:
        point: (factors,) in [0, largest].
        largest: upper bound of all factors; the lower one is 0.
        stream: where draws come from.

    Returns:
        (factors,) float64, multiples of 2^-24.
    """
    drawn, u = stream.uniform(2 * len(point)).reshape(2, -1)
    power = MUTATION_INDEX + 1.0
    share = point / largest
    # The formula for a step up is that for a step down, seen from the other end.
    side, room = np.where(u < 0.5, u, 1.0 - u), np.where(u < 0.5, 1.0 - share, share)
    length = 1.0 - (2.0 * side + (1.0 - 2.0 * side) * room**power) ** (1.0 / power)
    step = np.where(u < 0.5, -length, length)
    moved = np.where(drawn < 1.0 / len(point), point + step * largest, point)
    return on_grid(np.clip(moved, 0.0, largest))
