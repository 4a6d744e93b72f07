"""What a report tells, independent of where it was stored.

Scores are shares of solved items, in [0, 1]. Mappings from task to number may lack a task that was
not measured. Everything may be empty: a report of a run that has just begun is a report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import fsum, prod
from typing import Literal

from cycleqd.run.timeline import Timeline

Scores = Mapping[str, float]
Cell = tuple[int, ...]
RowKind = Literal["base", "expert", "baseline", "member", "aggregate"]


@dataclass(frozen=True)
class BehaviourAxis:
    """The binning of one task's score.

    Attributes:
        task: the task.
        edges: ``bins + 1`` ascending edges. Bins are right-closed; scores beyond the outer edges
            belong to the outermost bins.
    """

    task: str
    edges: tuple[float, ...]

    @property
    def bins(self) -> int:
        """Number of bins."""
        return len(self.edges) - 1


@dataclass(frozen=True)
class Elite:
    """The candidate that holds a cell, with its scores on the search split."""

    candidate: str
    scores: Scores


@dataclass(frozen=True)
class ArchiveView:
    """One archive as it stands.

    Attributes:
        task: the task whose score is the quality.
        axes: the other tasks' scores, none where the run has a single task.
        cells: occupied cells, one bin number for each axis.
    """

    task: str
    axes: tuple[BehaviourAxis, ...]
    cells: Mapping[Cell, Elite]

    @property
    def cell_count(self) -> int:
        """Cells, occupied or not."""
        return prod(axis.bins for axis in self.axes)

    @property
    def coverage(self) -> float:
        """Share of occupied cells."""
        return len(self.cells) / self.cell_count

    @property
    def qd_score(self) -> float:
        """Sum of the qualities of all elites."""
        return fsum(elite.scores[self.task] for elite in self.cells.values())

    def ranked(self) -> list[tuple[Cell, Elite]]:
        """Cells with their elites, best quality first; ties by candidate."""
        return sorted(
            self.cells.items(), key=lambda item: (-item[1].scores[self.task], item[1].candidate)
        )


@dataclass(frozen=True)
class ExpertPoint:
    """An expert and its scores on the search split, marked in the pictures."""

    name: str
    scores: Scores


@dataclass(frozen=True)
class HistoryRow:
    """The archives after one generation was committed.

    Attributes:
        generation: number of the generation; 0 holds the experts.
        evaluations: candidates evaluated so far.
        qd_score: by task.
        coverage: share of occupied cells by task.
        best: highest quality by task.
    """

    generation: int
    evaluations: int
    qd_score: Scores
    coverage: Scores
    best: Scores


@dataclass(frozen=True)
class TableRow:
    """A model on the held-out split.

    Attributes:
        name: as the table shows it.
        kind: which group it belongs to.
        scores: by task.
        mean: mean over the tasks.
        minimum: the weakest task's score.
        standard_error: of the mean, None where unknown.
        difference: mean minus the uniform merge's mean, on the same items; None for itself.
        difference_error: standard error of the paired difference.
        candidate: its id, where it is a member.
    """

    name: str
    kind: RowKind
    scores: Scores
    mean: float
    minimum: float
    standard_error: float | None = None
    difference: float | None = None
    difference_error: float | None = None
    candidate: str | None = None


@dataclass(frozen=True)
class Recommendation:
    """The model that a reader should take, chosen on the search items.

    Attributes:
        name: what it is (``balanced member``).
        candidate: its id.
        balance: geometric mean of its scores on the search items.
        unseen: the same of those that are kept out of tuning, by which it was chosen; None where
            all have chosen it.
    """

    name: str
    candidate: str
    balance: float
    unseen: float | None = None


@dataclass(frozen=True)
class FirstAnswer:
    """The first verified answer to a search item; the text is a model's, so not to be trusted."""

    item: str
    candidate: str
    generation: int
    answer: str


@dataclass(frozen=True)
class TaskKnowledge:
    """What the swarm has solved of one task's search items.

    Attributes:
        task: the task.
        items: how many there are.
        solved: how many somebody had solved after each generation.
        new: first answers to the items that no expert solves, oldest first.
        alone: candidates with the items that nobody else solves.
        unsolved: ids of the items that nobody solves.
        samples: answers worth reading.
        experts: how many items the experts together solve.
    """

    task: str
    items: int
    solved: tuple[int, ...]
    new: tuple[FirstAnswer, ...]
    alone: tuple[tuple[str, tuple[str, ...]], ...]
    unsolved: tuple[str, ...]
    samples: tuple[FirstAnswer, ...]
    experts: int


@dataclass(frozen=True)
class Ancestor:
    """A candidate in a family tree.

    Attributes:
        candidate: its id.
        parents: ids of its parents, none for experts and baselines.
        operator: what made it, in a few words (``Linear + ExpertSVD, focus sql``).
        generation: when it was planned, None where it is not known.
        scores: on the search split.
        expert: name of the expert where it is one.
    """

    candidate: str
    parents: tuple[str, ...] = ()
    operator: str = ""
    generation: int | None = None
    scores: Scores = field(default_factory=dict)
    expert: str | None = None


@dataclass(frozen=True)
class Family:
    """A member whose lineage the report draws.

    Attributes:
        title: why it is shown (``best in sql``).
        candidate: its id.
    """

    title: str
    candidate: str


@dataclass(frozen=True)
class FailedCandidate:
    """A candidate that could not be evaluated."""

    candidate: str
    cause: str
    message: str = ""


@dataclass(frozen=True)
class RunFacts:
    """What identifies a run, and how far it is.

    Attributes:
        name: name of the run.
        run_id: its id in the store.
        seed: seed of all random numbers.
        engine: inference engine.
        base: the base model.
        strategy: who proposes candidates.
        generation: last committed generation, -1 before the first.
        generations: planned generations.
        evaluations: candidates evaluated.
        complete: whether the final table is the run's last word.
        store: where the run lives.
        stopped: candidates that fell short on their first items, of those evaluated.
        details: further pairs of label and value to list.
    """

    name: str
    run_id: str
    seed: int
    engine: str
    base: str
    strategy: str
    generation: int
    generations: int
    evaluations: int
    complete: bool
    store: str = ""
    stopped: int = 0
    details: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ReportData:
    """A whole report.

    Attributes:
        run: the run.
        tasks: in the run's order.
        archives: one for each task, in the same order.
        experts: marked in the pictures.
        history: in the order of generations.
        table: final results in the order to show, empty until there are any.
        ancestors: every candidate that a family may reach, by id.
        families: members whose lineage is drawn.
        failures: candidates that could not be evaluated.
        recommendation: the model to take so far, None before there is one.
        knowledge: what is solved of each task, empty where no answers were kept.
        silent: evaluated candidates whose answers were not kept, by an earlier version.
        life: who joined and what was kept; None where nobody has joined.
    """

    run: RunFacts
    tasks: tuple[str, ...]
    archives: tuple[ArchiveView, ...] = ()
    experts: tuple[ExpertPoint, ...] = ()
    history: tuple[HistoryRow, ...] = ()
    table: tuple[TableRow, ...] = ()
    ancestors: Mapping[str, Ancestor] = field(default_factory=dict)
    families: tuple[Family, ...] = ()
    failures: tuple[FailedCandidate, ...] = ()
    recommendation: Recommendation | None = None
    knowledge: tuple[TaskKnowledge, ...] = ()
    silent: int = 0
    life: Timeline | None = None
