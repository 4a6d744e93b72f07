"""How a search advances with what it costs: the curves of the comparison's picture, pure.

A search that tunes or evaluates in rungs pays differently for each candidate, so the axis is cost,
not a count of candidates: the worker-seconds of all results so far, in the order of planning. That
order, and with it the curve, is the same for any number of workers. In evaluations' worth the cost
is divided by what a plain evaluation of the same run took, which makes runs of different machines
comparable.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cycleqd.evolution.metrics import geometric_mean
from cycleqd.records.documents import Entry, EvaluateEntry, ResultDocument

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Progress:
    """One run's best balanced score against its cost.

    Attributes:
        seconds: (evaluations,) float64, worker-seconds when each evaluation ended, all work before
            it included.
        best: (evaluations,) float64, highest geometric mean of search scores so far.
        total: worker-seconds of the whole search.
        plain: median seconds of an evaluation of weights that were merged only; 0 where there is
            none.
    """

    seconds: Float64
    best: Float64
    total: float
    plain: float

    @property
    def worth(self) -> Float64:
        """``seconds`` in plain evaluations."""
        return self.seconds / self.plain if self.plain else np.zeros_like(self.seconds)


def progress_of(results: Iterable[tuple[Entry, ResultDocument]]) -> Progress:
    """The curve of a search.

    Args:
        results: all of its entries with their results, in the order of planning.
    """
    seconds: list[float] = []
    best: list[float] = []
    plain: list[float] = []
    total = 0.0
    for entry, result in results:
        total += result.telemetry.seconds
        if not isinstance(entry, EvaluateEntry) or result.failure is not None:
            continue
        score = geometric_mean(result.scores.values())
        seconds.append(total)
        best.append(max(score, best[-1]) if best else score)
        if entry.tune is None:
            plain.append(result.telemetry.seconds)
    return Progress(
        seconds=np.array(seconds),
        best=np.array(best),
        total=total,
        plain=float(np.median(plain)) if plain else 0.0,
    )


@dataclass(frozen=True)
class Band:
    """Curves of several seeds as one.

    Attributes:
        cost: (points,) float64, ascending; from where every seed has a score to the last end.
        mean: (points,) float64, over seeds.
        lowest: (points,) float64.
        highest: (points,) float64.
    """

    cost: Float64
    mean: Float64
    lowest: Float64
    highest: Float64


def band(curves: Sequence[tuple[Float64, Float64]]) -> Band:
    """The mean of step curves, and between which values they lie.

    A run that has ended keeps its last score: that is what its cost has bought.

    Args:
        curves: cost and score of each seed, (points,) float64 each, at least one; cost ascending.
    """
    begin = max(cost[0] for cost, _ in curves)
    grid = np.unique(np.concatenate([cost for cost, _ in curves]))
    grid = grid[grid >= begin]
    values = np.array(
        [score[np.searchsorted(cost, grid, side="right") - 1] for cost, score in curves]
    )
    return Band(grid, values.mean(axis=0), values.min(axis=0), values.max(axis=0))
