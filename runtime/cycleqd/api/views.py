"""What a run tells about itself: plain frozen values, independent of the documents in the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TaskStatus:
    """One task's archive in three numbers.

    Attributes:
        best: highest score of a member, 0 to 1.
        coverage: share of the cells that hold an elite, 0 to 1.
        qd_score: sum of the elites' scores.
    """

    best: float
    coverage: float
    qd_score: float


@dataclass(frozen=True)
class FinalRow:
    """One model of the held-out comparison.

    Attributes:
        name: such as ``balanced member`` or ``expert sql``.
        kind: why it takes part.
        candidate: its id.
        scores: on the held-out items by task, 0 to 1.
        search: on the search items by task, empty where it took no part in the search.
        unseen: the same of the search items that nobody was trained on, empty where none are kept
            out of tuning.
        mean: over the tasks.
        minimum: the lowest of them.
        standard_error: of the mean, over items.
        gain: mean difference to the uniform merge, paired by item; None for that merge itself.
        gain_error: its standard error.
    """

    name: str
    kind: Literal[
        "base", "expert", "uniform-merge", "best-of-task", "balanced", "aggregate", "published"
    ]
    candidate: str
    scores: Mapping[str, float]
    search: Mapping[str, float]
    unseen: Mapping[str, float]
    mean: float
    minimum: float
    standard_error: float
    gain: float | None
    gain_error: float | None


@dataclass(frozen=True)
class Revisiting:
    """Members that are evaluated on what is new, while experts, tasks or items join.

    Attributes:
        revision: the accepted change that takes effect with it.
        generation: the one that is spent on it.
        who: who joins, in a few words.
        done: how many models have been evaluated.
        of: how many there are, newcomers included.
    """

    revision: int
    generation: int
    who: str
    done: int
    of: int


@dataclass(frozen=True)
class Status:
    """Where a run stands.

    Attributes:
        run_id: the manifest's name and a digest of what defines the run.
        revision: the accepted change that is in force: 0 for the run as it began.
        generation: highest committed generation, -1 before the experts are evaluated.
        generations: how many the manifest in force asks for.
        evaluations: candidates evaluated so far, experts and failed ones included.
        failed: candidates that could not be evaluated.
        stopped: candidates that fell short on their first items (`spec.evolution.race`).
        complete: whether nothing is left to do.
        goal_reached: whether ``spec.goal`` ended the run before its last generation.
        revisiting: what is under way while somebody joins, None otherwise.
        tasks: by task, in the manifest's order.
        final: the held-out comparison, empty until the run is complete.
        recommended: the row of the model to take, chosen on the search items. None until the run
            is complete.
    """

    run_id: str
    revision: int
    generation: int
    generations: int
    evaluations: int
    failed: int
    stopped: int
    complete: bool
    goal_reached: bool
    revisiting: Revisiting | None
    tasks: Mapping[str, TaskStatus]
    final: tuple[FinalRow, ...]
    recommended: FinalRow | None


@dataclass(frozen=True)
class Elite:
    """An occupied cell of an archive.

    Attributes:
        candidate: id of the model in it.
        cell: number of the bin on each other task's axis, in the manifest's order of tasks.
        scores: on the search items by task, 0 to 1.
    """

    candidate: str
    cell: tuple[int, ...]
    scores: Mapping[str, float]


@dataclass(frozen=True)
class Member:
    """A model of the swarm: it is the elite of at least one cell.

    Attributes:
        candidate: its id.
        scores: on the search items by task, 0 to 1.
        cells: the cell that it holds, by the task of the archive.
    """

    candidate: str
    scores: Mapping[str, float]
    cells: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Result:
    """One candidate's evaluation.

    Attributes:
        candidate: its id.
        generation: the generation that planned it, or that the final comparison follows.
        split: which items.
        scores: share of solved items by task, empty where it failed.
        outcomes: for each task one character an item, ``1`` solved, ``0`` not, ``-`` not asked.
        stopped: whether it fell short on its first items and was not asked the others.
        parents: ids of its parents.
        failure: why it could not be evaluated, None where it could.
        seconds: how long a worker took.
    """

    candidate: str
    generation: int
    split: Literal["search", "test"]
    scores: Mapping[str, float]
    outcomes: Mapping[str, str]
    stopped: bool
    parents: tuple[str, ...]
    failure: str | None
    seconds: float
