"""Racing: a child that clearly falls short on its first items is not asked the others.

Of a few hundred merges most are worse than what the archives hold, and a third of the items shows
it. Each child is first asked some items of every task, drawn once for the run; it is stopped where
it is then clearly below the best quality of *every* archive and below the balanced member (racing
against the best so far; Maron and Moore, 1994). Whoever may be the best at one skill, or at all of
them together, is asked everything. What is saved buys more children.

A stopped child is offered to no archive, so cells that only it would have filled stay empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

from cycleqd.evolution.front import compared, members_of, standard_error
from cycleqd.evolution.hold_out import HoldOut, hold_out_of
from cycleqd.evolution.metrics import geometric_mean
from cycleqd.evolution.rng import stream
from cycleqd.records.documents import RaceOrder

if TYPE_CHECKING:
    from cycleqd.evolution.archive import Archive
    from cycleqd.manifest.model import Spec


@dataclass(frozen=True)
class Race:
    """How the children of a run are raced.

    Attributes:
        share: of each task's items that are asked first.
        errors: a child is stopped below the best by more than so many standard errors.
        seed: of the draw of items, the run's.
        hold_out: items that nobody is trained on; these are asked first, for they flatter nobody.
    """

    share: float
    errors: float
    seed: int
    hold_out: HoldOut

    def first(self, task: str, count: int) -> tuple[int, ...]:
        """Which items of a task are asked first: at least one, and all only of a single one.

        Args:
            task: its name.
            count: how many items the search uses.

        Returns:
            Places in the dataset's order, rising.
        """
        asked = min(max(1, count - 1), max(1, round(self.share * count)))
        unseen = self.hold_out.positions(task, count)
        order = stream(self.seed, 0, "race", task).uniform(count).argsort(kind="stable")
        drawn = sorted((int(place) for place in order), key=lambda place: place not in unseen)
        return tuple(sorted(drawn[:asked]))

    def is_lost(self, order: RaceOrder, marks: Mapping[str, str]) -> bool:
        """Whether a child is stopped.

        Args:
            order: what it must be able to reach.
            marks: by task one character for each of the first items, ``1`` where it is solved.
        """
        solved = {task: (row.count("1"), len(row)) for task, row in marks.items()}
        if any(
            upper_limit(*solved[task], self.errors) >= best for task, best in order.best.items()
        ):
            return False
        # One more of each: a share of 0 of a few items is no proof that a skill is lost.
        shares = {task: (right + 1) / (count + 2) for task, (right, count) in solved.items()}
        counts = {task: count for task, (_, count) in solved.items()}
        error = standard_error(shares, counts)
        return geometric_mean(shares.values()) + self.errors * error < order.balance


def race_of(spec: Spec, hold_out: HoldOut | None = None) -> Race | None:
    """How a run's children are raced; None where all are asked everything.

    Args:
        spec: the run.
        hold_out: its items that nobody is trained on; those that it begins with when absent.
    """
    settings = spec.evolution.race
    if settings is None:
        return None
    return Race(settings.share, settings.errors, spec.seed, hold_out or hold_out_of(spec))


def race_order(archives: Mapping[str, Archive]) -> RaceOrder:
    """What children must be able to reach: the best of each archive, or of their balance.

    Args:
        archives: by task, none of them empty.
    """
    members = members_of(archives)
    return RaceOrder(
        best={
            task: max(compared(member)[task] for member in archive.cells.values())
            for task, archive in archives.items()
        },
        balance=geometric_mean(compared(members[0]).values()),
    )


def upper_limit(solved: int, count: int, errors: float) -> float:
    """The upper end of a share's interval (Wilson, 1927), which is sound for few items too.

    Args:
        solved: how many of them.
        count: of items, at least 1.
        errors: half the interval's width in standard errors.
    """
    share, square = solved / count, errors * errors / count
    spread = sqrt(share * (1.0 - share) * square + square * square / 4.0)
    return (share + square / 2.0 + spread) / (1.0 + square)
