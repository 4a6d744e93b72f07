"""What the pages show, as frozen values: read by `cycleqd.ui.reading`, shown as HTML and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cycleqd.report.data import TableRow

Phase = Literal["starting", "searching", "revisiting", "comparing", "complete"]


@dataclass(frozen=True)
class TaskLook:
    """One task's archive in numbers.

    Attributes:
        best: highest quality, 0 to 1.
        coverage: share of occupied cells, 0 to 1.
        qd_score: sum of the elites' qualities.
    """

    best: float
    coverage: float
    qd_score: float


@dataclass(frozen=True)
class Model:
    """A model that a run names, to be exported.

    Attributes:
        role: ``published``, ``aggregate`` or ``balanced``.
        candidate: its id.
        command: that writes it as a checkpoint.
    """

    role: str
    candidate: str
    command: str


@dataclass(frozen=True)
class RunLook:
    """Where a run stands.

    Attributes:
        id: its name in addresses.
        run_id: the manifest's name and a digest of what defines the run.
        name: the manifest's name.
        uri: of its store.
        strategy: who proposes candidates.
        engine: that evaluates.
        experts: their names.
        tasks: those that have joined, in the manifest's order.
        revision: the accepted change in force, 0 for the run as it began.
        revisions: how many have been accepted.
        phase: what it does; the store does not tell whether somebody works on it.
        generation: highest committed generation, -1 before generation 0.
        generations: how many the manifest in force asks for.
        evaluations: candidates evaluated so far.
        failed: of these, who could not be evaluated.
        stopped: of these, who fell short on their first items.
        goal_reached: whether the goal ended the run before its last generation.
        coverage: share of occupied cells of all archives together.
        qd_score: sum of the qualities of all archives' elites.
        by_task: each archive in numbers, those of tasks that have joined.
        models: that it names, none before generation 0.
        table: the held-out results, none before the run is complete.
        begun: when ``run.json`` was written.
        changed: when the last generation was committed; when the run began, before generation 0.
    """

    id: str
    run_id: str
    name: str
    uri: str
    strategy: str
    engine: str
    experts: tuple[str, ...]
    tasks: tuple[str, ...]
    revision: int
    revisions: int
    phase: Phase
    generation: int
    generations: int
    evaluations: int
    failed: int
    stopped: int
    goal_reached: bool
    coverage: float
    qd_score: float
    by_task: Mapping[str, TaskLook]
    models: tuple[Model, ...]
    table: tuple[TableRow, ...]
    begun: datetime
    changed: datetime

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do."""
        return self.phase == "complete"

    @property
    def done(self) -> float:
        """Share of the generations that are committed, 0 to 1."""
        if self.complete:
            return 1.0
        return min(1.0, (self.generation + 1) / (self.generations + 1))


@dataclass(frozen=True)
class StageLook:
    """A stage under way: how many of its entries have a result."""

    name: str
    done: int
    of: int


@dataclass(frozen=True)
class Joining:
    """Who joins while members are evaluated on what is new."""

    who: str
    generation: int
    done: int
    of: int


@dataclass(frozen=True)
class RevisionLook:
    """An accepted change.

    Attributes:
        number: 0 for the run as it began.
        from_generation: the first generation that it holds for.
        generations: how many it asks for.
        experts: whose names are new with it.
        tasks: that are new with it.
        retired: experts and tasks that are gone with it.
    """

    number: int
    from_generation: int
    generations: int
    experts: tuple[str, ...]
    tasks: tuple[str, ...]
    retired: tuple[str, ...]


@dataclass(frozen=True)
class Listing:
    """The runs of a prefix.

    Attributes:
        looks: those that could be read, unfinished ones first, then by their last change.
        waiting: how many have not been read yet.
        problems: of what could not be read, an id with a sentence each.
        cut: whether there are more folders than were looked at.
    """

    looks: tuple[RunLook, ...]
    waiting: int
    problems: tuple[tuple[str, str], ...]
    cut: bool


@dataclass(frozen=True)
class Score:
    """A share of solved items with its standard error over items, None where it is unknown."""

    value: float
    error: float | None = None


@dataclass(frozen=True)
class Outcomes:
    """What a member makes of a task's items.

    Attributes:
        task: the task.
        split: which items.
        marks: a character each, ``1`` solved, ``0`` not, ``-`` not asked.
    """

    task: str
    split: Literal["search", "test"]
    marks: str

    @property
    def solved(self) -> int:
        """How many items it solves."""
        return self.marks.count("1")

    @property
    def asked(self) -> int:
        """How many it was asked."""
        return len(self.marks) - self.marks.count("-")


@dataclass(frozen=True)
class Ancestor:
    """An ancestor, with how many steps lead to it."""

    candidate: str
    steps: int


@dataclass(frozen=True)
class MemberLook:
    """A candidate.

    Attributes:
        candidate: its id.
        generation: that it was planned in, None for finalists.
        focus: the task in focus when it was made.
        failure: why it could not be evaluated.
        stopped: whether it fell short on its first items.
        scores: on the search items by task.
        test: on the held-out items by task, empty where it was not asked.
        outcomes: item by item.
        cells: the cells that it holds, by the task of the archive.
        parents: their ids.
        ancestors: the nearest ones, parents first.
        more: whether it has further ancestors.
        command: that exports it.
    """

    candidate: str
    generation: int | None
    focus: str | None
    failure: str | None
    stopped: bool
    scores: Mapping[str, Score]
    test: Mapping[str, Score]
    outcomes: tuple[Outcomes, ...]
    cells: Mapping[str, tuple[int, ...]]
    parents: tuple[str, ...]
    ancestors: tuple[Ancestor, ...]
    more: bool
    command: str
