"""What a run has kept of what it learned: the measures of continual learning, from held-out items.

Accuracy ``a[t, i]`` is the share of task ``i``'s held-out items that a model solves at step ``t``,
where every final table is a step; ``T`` is the last one, and task ``i`` is learned at the first
step that has it. The measures are those of Lopez-Paz and Ranzato (2017) and Chaudhry et al. (2018):

- average accuracy, mean over tasks of ``a[T, i]``;
- backward transfer, mean over tasks learned before ``T`` of ``a[T, i] - a[learned, i]``;
- forgetting, mean over them of ``max_t<T a[t, i] - a[T, i]``; a maximum of noisy numbers, so it
  errs upwards;
- forward transfer, mean over tasks that joined of what the model of the step before solves of them
  more than the base does;
- retention, ``a[T, i]`` as a share of what the task's expert solves.

Where both models were asked the same items, errors are of the paired difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum, sqrt

from cycleqd.evolution.metrics import mean_and_error


@dataclass(frozen=True)
class Answered:
    """What a model made of a task's held-out items.

    Attributes:
        outcomes: one character an item, ``1`` where it is solved.
        items: digest of the items.
    """

    outcomes: str
    items: str

    @property
    def accuracy(self) -> float:
        """Share of the items that are solved."""
        return self.outcomes.count("1") / len(self.outcomes)


@dataclass(frozen=True)
class Estimate:
    """A mean over tasks.

    Attributes:
        value: the mean.
        error: its standard error over items.
    """

    value: float
    error: float


@dataclass(frozen=True)
class Memory:
    """The measures of one line of models: the archives' best, or the published ones.

    Attributes:
        acc: average accuracy; None where nobody of the last step could be evaluated.
        bwt: backward transfer; None where every task was learned at the last step.
        forgetting: likewise.
        forgotten: forgetting by task.
        fwt: forward transfer; None where no task has joined, or nobody was asked before.
        retention: by task; without those whose expert solves nothing.
    """

    acc: Estimate | None
    bwt: Estimate | None
    forgetting: Estimate | None
    forgotten: Mapping[str, Estimate]
    fwt: Estimate | None
    retention: Mapping[str, float]


def difference(a: Answered, b: Answered) -> Estimate:
    """How much more of a task ``a`` solves than ``b``."""
    solved = [[float(mark == "1") for mark in one.outcomes] for one in (a, b)]
    if a.items == b.items:
        return Estimate(*mean_and_error([[x - y for x, y in zip(*solved, strict=True)]]))
    (mean, error), (other, other_error) = (mean_and_error([column]) for column in solved)
    return Estimate(mean - other, sqrt(error**2 + other_error**2))


def average_accuracy(found: Mapping[str, Answered]) -> Estimate | None:
    """The mean over tasks; None of no task."""
    solved = [[float(mark == "1") for mark in one.outcomes] for one in found.values()]
    return Estimate(*mean_and_error(solved)) if solved else None


def memory(
    steps: Sequence[Mapping[str, Answered]],
    earlier: Mapping[str, Answered],
    base: Mapping[str, Answered],
    experts: Mapping[str, Answered],
) -> Memory:
    """The measures after the last step.

    Args:
        steps: at least one; by task what the line's model of that step made of it.
        earlier: by task that joined, what the model of the step before made of it.
        base: by task what the base model makes of it.
        experts: by task what its expert makes of it.
    """
    last = steps[-1]
    since: dict[str, Estimate] = {}
    forgotten: dict[str, Estimate] = {}
    for task, now in last.items():
        known = [step[task] for step in steps[:-1] if task in step]
        if known:
            since[task] = difference(now, known[0])
            best = max(known, key=lambda answered: answered.accuracy)
            forgotten[task] = difference(best, now)
    gained = [difference(found, base[task]) for task, found in earlier.items() if task in base]
    return Memory(
        acc=average_accuracy(last),
        bwt=_mean(since.values()),
        forgetting=_mean(forgotten.values()),
        forgotten=forgotten,
        fwt=_mean(gained),
        retention={
            task: now.accuracy / experts[task].accuracy
            for task, now in last.items()
            if task in experts and experts[task].accuracy
        },
    )


def _mean(estimates: Iterable[Estimate]) -> Estimate | None:
    found = list(estimates)
    if not found:
        return None
    error = sqrt(fsum(one.error**2 for one in found)) / len(found)
    return Estimate(fsum(one.value for one in found) / len(found), error)
