"""Crossover: a child on the line through its two parents, or beside it.

``Linear``: ``child = base + w1/(w1+w2) tau_1 + w2/(w1+w2) tau_2`` with ``w ~ N(mean, stddev^2)``
(paper, equation 1). The pair is drawn once for the model, or at a finer grain. Negative weights
extrapolate. Where ``w1 + w2`` comes close to zero the quotients explode, so such a pair is drawn
again from the same stream.

Shares that sum to 1 keep the sum of the experts' factors at that of the parents, and experts begin
at 1: whatever lies elsewhere is out of reach. ``Line`` is free of that: with the parents'
coefficients x1 and x2::

    child = g * (x1 + z (x2 - x1)) + step * N(0, I)
    z ~ N(1/2, spread^2),  ln g ~ N(0, scaleSpread^2)

which is Iso+LineDD (Vassiliades and Mouret, 2018) with a gene for the scale. Some children take
``z`` below a block drawn at random and ``1 - z`` above it (the split point of M2N2, 2025).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from cycleqd.evolution.combination import combine
from cycleqd.evolution.genome import Genome, GenomeLayout
from cycleqd.evolution.rng import Stream, on_grid
from cycleqd.manifest.evolution import Crossover, Line

Float64 = npt.NDArray[np.float64]

SMALLEST_SUM = 0.1
"""Pairs whose sum is nearer to zero than so many means are drawn again.

Only ``w1 : w2`` matters, so the guard is relative: settings of one ``stddev / mean`` draw the same
shares. It rejects less than 3 % of pairs whatever the settings are.
"""


BANDS = 6
"""Where the manifest says none: coarse enough for some dozens of evaluations."""


def units(layout: GenomeLayout, crossover: Crossover) -> list[int]:
    """For each tensor, the number of the unit that is drawn as one."""
    match crossover.granularity:
        case "Model":
            return [0] * len(layout.tensors)
        case "Band":
            bands = min(crossover.bands or BANDS, layout.blocks)
            return [slot.block * bands // layout.blocks for slot in layout.tensors]
        case "Block":
            return [slot.block for slot in layout.tensors]
        case "Tensor":
            return list(range(len(layout.tensors)))


def factors_at_grain(genome: Genome, crossover: Crossover) -> Float64:
    """(experts, units) float64, each expert's factor in the first tensor of each unit."""
    _, first = np.unique(units(genome.layout, crossover), return_index=True)
    factors: Float64 = genome.scale[:, first].astype(np.float64)
    return factors


def genome_at_grain(layout: GenomeLayout, crossover: Crossover, factors: Float64) -> Genome:
    """The genome of one factor for each expert and unit.

    Args:
        layout: of the run's genomes.
        crossover: whose granularity the factors have.
        factors: (experts, units), or flat in that order.
    """
    rows = factors.reshape(len(layout.experts), -1)
    return Genome(layout, rows[:, units(layout, crossover)].astype(np.float32))


def factors_count(layout: GenomeLayout, crossover: Crossover) -> int:
    """How many factors a genome of that grain has: experts times units."""
    return len(layout.experts) * (max(units(layout, crossover)) + 1)


def _first_weight(crossover: Crossover, stream: Stream) -> float:
    """``w1 / (w1 + w2)``."""
    while True:
        w1, w2 = crossover.mean + crossover.stddev * stream.normal(2)
        if abs(w1 + w2) >= SMALLEST_SUM * crossover.mean:
            return float(w1 / (w1 + w2))


def first_parent_weights(layout: GenomeLayout, crossover: Crossover, stream: Stream) -> Float64:
    """(tensors,) float64, the first parent's share in each tensor; the rest is the second's."""
    unit_of = units(layout, crossover)
    drawn = np.array([_first_weight(crossover, stream) for _ in range(max(unit_of) + 1)])
    weights: Float64 = drawn[unit_of]
    return weights


def cross(first: Genome, second: Genome, crossover: Crossover, stream: Stream) -> Genome:
    """The child of two genomes of one layout."""
    if crossover.method == "Line":
        return _cross_line(first, second, crossover, stream)
    share = first_parent_weights(first.layout, crossover, stream)
    return combine([(first, share), (second, 1.0 - share)])


def _cross_line(first: Genome, second: Genome, crossover: Crossover, stream: Stream) -> Genome:
    """A place between the parents, a scale and a step; every draw is made, whatever it decides."""
    layout, line = first.layout, crossover.line or Line()
    place, gene = stream.normal(2)
    kind, height = stream.uniform(2)
    unit_of = units(layout, crossover)
    experts, count = len(layout.experts), max(unit_of) + 1
    steps = line.step * stream.normal(experts * count).reshape(experts, count)[:, unit_of]
    share = np.full(len(layout.tensors), 0.5 - line.spread * place)
    if kind < line.split_share:
        cut = 1 + int(height * (layout.blocks - 1))
        above = np.array([slot.block >= cut for slot in layout.tensors])
        share[above] = 1.0 - share[above]
    scale = float(on_grid(np.exp(np.array(line.scale_spread * gene))))
    child = combine([(first, scale * share), (second, scale * (1.0 - share))])
    return replace(child, scale=(child.scale + steps).astype(np.float32))
