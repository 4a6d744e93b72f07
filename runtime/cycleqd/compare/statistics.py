"""The numbers of a comparison: pure functions of outcomes and scores.

Outcomes of a model are one array for each task, ``(items,) float64``: 1 where it solved the item, 0
where not, and shares of seeds once runs are averaged. Items are the same for all models, so models
are compared item by item; what is left is the error that the draw of items makes, much smaller than
that of two separate means. How much seeds matter is told beside it, by the spread and by an error
over seeds: with few seeds neither error covers the other.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import fsum, sqrt

import numpy as np
import numpy.typing as npt

from cycleqd.compare.documents import MethodScores
from cycleqd.evolution.metrics import mean_and_error

Float64 = npt.NDArray[np.float64]
Outcomes = Mapping[str, Float64]


def outcomes_of(marks: Mapping[str, str]) -> dict[str, Float64]:
    """Outcomes as arrays.

    Args:
        marks: by task one character an item, ``1`` solved, ``0`` not.
    """
    return {task: np.array([float(mark == "1") for mark in text]) for task, text in marks.items()}


def scores_of(outcomes: Outcomes) -> dict[str, float]:
    """Share of solved items by task."""
    return {task: fsum(column) / len(column) for task, column in outcomes.items()}


def mean(values: Collection[float]) -> float:
    """The plain mean of at least one value, exactly rounded."""
    return fsum(values) / len(values)


def averaged(runs: Collection[Outcomes]) -> dict[str, Float64]:
    """Mean over runs, item by item: by task ``(items,)`` in [0, 1].

    Args:
        runs: at least one, all with the same items.
    """
    tasks = next(iter(runs))
    return {task: np.mean([outcomes[task] for outcomes in runs], axis=0) for task in tasks}


def paired(one: Outcomes, other: Outcomes) -> tuple[float, float]:
    """Mean difference of two models, and its standard error over items, paired by item."""
    return mean_and_error([list(one[task] - other[task]) for task in one])


def summarise(
    runs: Mapping[int, Outcomes], reference: Mapping[int, Outcomes] | None
) -> MethodScores | None:
    """A manifest's models over all seeds.

    Args:
        runs: by seed, the outcomes of the run's model.
        reference: those of the manifest to compare with, None for that itself.

    Returns:
        None where there is no run.
    """
    if not runs:
        return None
    pooled = averaged(runs.values())
    scores = {seed: scores_of(outcomes) for seed, outcomes in runs.items()}
    means = {seed: mean(by_task.values()) for seed, by_task in scores.items()}
    overall, error = mean_and_error([list(column) for column in pooled.values()])
    gain = gain_error = gain_seed_error = None
    if reference:
        gain, gain_error = paired(pooled, averaged(reference.values()))
        gain_seed_error = error_of_mean(
            [
                means[seed] - mean(scores_of(outcomes).values())
                for seed, outcomes in reference.items()
                if seed in means
            ]
        )
    return MethodScores(
        scores=scores_of(pooled),
        mean=overall,
        error=error,
        min=mean([min(by_task.values()) for by_task in scores.values()]),
        lowest=min(means.values()),
        highest=max(means.values()),
        gain=gain,
        gain_error=gain_error,
        gain_seed_error=gain_seed_error,
    )


def error_of_mean(values: Sequence[float]) -> float | None:
    """Standard error of a mean from the spread of its values, None for fewer than two."""
    if len(values) < 2:
        return None
    middle = mean(values)
    variance = fsum((value - middle) ** 2 for value in values) / (len(values) - 1)
    return sqrt(variance / len(values))
