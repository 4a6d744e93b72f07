"""Scores on all items of a task, of those on the items that were added to it and those before.

Scores are shares of solved items, so what was solved follows from them and nothing is asked twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cycleqd.evolution.hold_out import HoldOut
from cycleqd.records.documents import ResultDocument


@dataclass(frozen=True)
class Added:
    """What is asked of candidates that were evaluated before.

    Attributes:
        hold_out: the items that nobody is trained on.
        first_items: by task that gets other items the place of the first that is asked, 0 where
            they replace those that it had.
        experts: scores of the experts before, by candidate id and task.
    """

    hold_out: HoldOut
    first_items: Mapping[str, int] = field(default_factory=dict)
    experts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def scores(self, known: Mapping[str, float], result: ResultDocument) -> dict[str, float]:
        """A candidate's scores by task.

        Args:
            known: before.
            result: of what was asked now.
        """
        found = dict(known)
        for task, score in result.scores.items():
            first, marks = self._first(task, known), result.outcomes.get(task, "")
            if first:
                solved = round(known[task] * first) + marks.count("1")
                score = solved / (first + len(marks))  # noqa: PLW2901
            found[task] = score
        return found

    def unseen(self, known: Mapping[str, float], result: ResultDocument) -> dict[str, float]:
        """The same on the items that nobody is trained on; empty unless every task has some.

        Args:
            known: before; empty where it was not every task that had some.
            result: of what was asked now.
        """
        found = dict(known)
        for task, marks in result.outcomes.items():
            first = self._first(task, known)
            places = self.hold_out.positions(task, first + len(marks))
            if not known or not places:
                return {}
            later = [place - first for place in places if place >= first]
            solved = sum(marks[place] == "1" for place in later)
            if first:
                solved += round(known[task] * (len(places) - len(later)))
            found[task] = solved / len(places)
        return found

    def _first(self, task: str, known: Mapping[str, float]) -> int:
        """How many items of a task were asked before."""
        return self.first_items.get(task, 0) if task in known else 0
