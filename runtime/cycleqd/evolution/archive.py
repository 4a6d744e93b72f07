"""Archives: for each task, the best candidate of every niche of the other tasks' scores.

In the archive of task ``k`` a candidate's *quality* is its score on ``k`` and its *behaviour* are
its scores on the other tasks, binned (paper, section 3.1). A cell holds the candidate of highest
quality seen there. Cells are kept in a dictionary: with K tasks there are ``bins^(K-1)`` of them,
of which only those that were reached cost memory.

Bins are a view. Raw scores are what is stored, so another binning never evaluates anything again.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import fsum

Cell = tuple[int, ...]


@dataclass(frozen=True)
class Axis:
    """The binning of one task's score.

    Bins are right-closed, ``(edge[i], edge[i+1]]``, as in the authors' runner; scores outside the
    limits fall into the first or the last bin.

    Attributes:
        task: the task whose score is binned.
        lower: left edge of the first bin.
        upper: right edge of the last bin, above ``lower``.
        bins: number of bins of equal width.
    """

    task: str
    lower: float
    upper: float
    bins: int

    def __post_init__(self) -> None:
        if not self.lower < self.upper:
            raise ValueError(f"axis {self.task!r}: lower {self.lower} must be below {self.upper}")
        if self.bins < 1:
            raise ValueError(f"axis {self.task!r}: needs at least one bin, not {self.bins}")

    @cached_property
    def edges(self) -> tuple[float, ...]:
        """The ``bins + 1`` edges."""
        width = self.upper - self.lower
        inner = (self.lower + width * i / self.bins for i in range(self.bins))
        return (*inner, self.upper)

    def bin_of(self, score: float) -> int:
        """The bin of a score, 0 to ``bins - 1``."""
        return bisect_left(self.edges[1:-1], score)


def axis_from_experts(
    task: str, scores: Iterable[float], *, bins: int, lower_margin: float, upper_margin: float
) -> Axis:
    """The paper's limits: 85 % of the weakest and 115 % of the best expert on the task.

    Where all experts fail a task the limits would coincide; the axis then spans [0, 1].

    Args:
        task: name of the task.
        scores: the experts' scores on it, in [0, 1].
        bins: number of bins.
        lower_margin: share of the weakest score (paper: 0.85).
        upper_margin: multiple of the best score (paper: 1.15), at most 1 in the result.
    """
    scores = list(scores)
    lower, upper = lower_margin * min(scores), min(1.0, upper_margin * max(scores))
    if not lower < upper:
        lower, upper = 0.0, 1.0
    return Axis(task, lower, upper, bins)


@dataclass(frozen=True)
class Member:
    """An evaluated candidate.

    Attributes:
        candidate: its id.
        scores: share of solved items for each task, in [0, 1].
        unseen: the same of the items that nobody is trained on; empty where none are kept out.
    """

    candidate: str
    scores: Mapping[str, float]
    unseen: Mapping[str, float] = field(default_factory=dict)


@dataclass
class Archive:
    """The elites of one task.

    Attributes:
        task: the task whose score is the quality.
        axes: binning of the other tasks' scores, in the run's order of tasks.
        cells: the occupied cells.
    """

    task: str
    axes: tuple[Axis, ...]
    cells: dict[Cell, Member] = field(default_factory=dict)

    def cell_of(self, scores: Mapping[str, float]) -> Cell:
        """The cell that a candidate of these scores falls into."""
        return tuple(axis.bin_of(scores[axis.task]) for axis in self.axes)

    def offer(self, member: Member) -> bool:
        """Take a member if its cell is empty or its quality strictly better.

        Returns:
            True when the archive changed.
        """
        cell = self.cell_of(member.scores)
        elite = self.cells.get(cell)
        if elite is not None and member.scores[self.task] <= elite.scores[self.task]:
            return False
        self.cells[cell] = member
        return True

    def elites(self) -> list[tuple[Cell, Member]]:
        """Occupied cells in lexicographic order, the order that every draw relies on."""
        return sorted(self.cells.items(), key=lambda item: item[0])

    def ranked(self) -> list[Member]:
        """Elites by quality, best first; ties by mean score, then by id."""
        return sorted(
            self.cells.values(),
            key=lambda m: (-m.scores[self.task], -fsum(m.scores.values()), m.candidate),
        )

    def copy(self) -> Archive:
        """An archive that changes independently."""
        return Archive(self.task, self.axes, dict(self.cells))

    @property
    def cell_count(self) -> int:
        """Number of cells, occupied or not."""
        count = 1
        for axis in self.axes:
            count *= axis.bins
        return count

    @property
    def coverage(self) -> float:
        """Share of occupied cells, in [0, 1]."""
        return len(self.cells) / self.cell_count

    @property
    def qd_score(self) -> float:
        """Sum of the elites' qualities (Pugh et al., 2016); qualities are never negative."""
        return fsum(member.scores[self.task] for member in self.cells.values())

    @property
    def best(self) -> float:
        """Highest quality, 0 where the archive is empty."""
        return max((m.scores[self.task] for m in self.cells.values()), default=0.0)


def make_archives(axes: Sequence[Axis]) -> dict[str, Archive]:
    """One empty archive for each task, its behaviour axes being all others."""
    return {
        own.task: Archive(own.task, tuple(a for a in axes if a.task != own.task)) for own in axes
    }
