"""Linear crossover: a child between, or a little beyond, its two parents.

``child = base + w1/(w1+w2) tau_1 + w2/(w1+w2) tau_2`` with ``w ~ N(mean, stddev^2)`` (paper,
equation 1). The pair is drawn once for the model, for each block or for each tensor. Negative
weights extrapolate. Where ``w1 + w2`` comes close to zero the quotients explode, so such a pair is
drawn again from the same stream.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cycleqd.evolution.genome import Genome, GenomeLayout, combine
from cycleqd.evolution.rng import Stream
from cycleqd.manifest.model import Crossover

Float64 = npt.NDArray[np.float64]

SMALLEST_SUM = 0.1
"""Pairs whose sum is nearer to zero than so many means are drawn again.

Only ``w1 : w2`` matters, so the guard is relative: settings of one ``stddev / mean`` draw the same
shares. It rejects less than 3 % of pairs whatever the settings are.
"""


def units(layout: GenomeLayout, granularity: str) -> list[int]:
    """For each tensor, the number of the weight pair that applies to it."""
    if granularity == "Model":
        return [0] * len(layout.tensors)
    if granularity == "Block":
        return [slot.block for slot in layout.tensors]
    return list(range(len(layout.tensors)))


def _first_weight(crossover: Crossover, stream: Stream) -> float:
    """``w1 / (w1 + w2)``."""
    while True:
        w1, w2 = crossover.mean + crossover.stddev * stream.normal(2)
        if abs(w1 + w2) >= SMALLEST_SUM * crossover.mean:
            return float(w1 / (w1 + w2))


def first_parent_weights(layout: GenomeLayout, crossover: Crossover, stream: Stream) -> Float64:
    """(tensors,) float64, the first parent's share in each tensor; the rest is the second's."""
    unit_of = units(layout, crossover.granularity)
    drawn = np.array([_first_weight(crossover, stream) for _ in range(max(unit_of) + 1)])
    weights: Float64 = drawn[unit_of]
    return weights


def cross(first: Genome, second: Genome, crossover: Crossover, stream: Stream) -> Genome:
    """The child of two genomes of one layout."""
    share = first_parent_weights(first.layout, crossover, stream)
    return combine([(first, share), (second, 1.0 - share)])
