"""What candidates were asked, put together: who can be compared on the items that count now.

A candidate is asked when it is made, and members once more where tasks or items join. What it was
asked of items that others have replaced counts no longer; of a task that got more items its first
outcomes count with those on the items that were added, and alone they do not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from cycleqd.evolution.strategies import Told
from cycleqd.records.documents import NOT_ASKED, EvaluateEntry, ResultDocument


@dataclass(frozen=True)
class Asked:
    """What one plan asked of a candidate, and what came of it.

    Attributes:
        candidate: its id.
        scores: of what was asked, by task; none where it could not be evaluated.
        outcomes: by task one character an item, ``1`` where it is solved.
        first_items: see `EvaluateEntry`.
    """

    candidate: str
    scores: Mapping[str, float]
    outcomes: Mapping[str, str]
    first_items: Mapping[str, int]

    @classmethod
    def of(cls, entry: EvaluateEntry, result: ResultDocument) -> Asked:
        """An entry and its result."""
        return cls(entry.candidate, result.scores, result.outcomes, entry.first_items)


def put_together(known: Told, asked: Asked, counted: Collection[str]) -> Told:
    """What is known of a candidate, with what it was asked later.

    Args:
        known: so far.
        asked: of the same candidate.
        counted: the tasks whose items are among those that count now.
    """
    scores, outcomes = dict(known.scores), dict(known.outcomes)
    for task, score in asked.scores.items():
        first, marks = asked.first_items.get(task, 0), asked.outcomes.get(task, "")
        before = outcomes.get(task, "")[:first]
        if task not in counted or len(before) < first:
            continue
        outcomes[task] = before + marks
        scores[task] = _share(outcomes[task]) if first else score
    return Told(known.candidate, scores, outcomes)


class Gathered:
    """All that is known of each candidate, gathered in the order of the plans."""

    def __init__(self) -> None:
        self._found: dict[str, Told] = {}
        self._measured: set[str] = set()

    def add(self, one: Asked, counted: Collection[str]) -> None:
        """What a plan asked of a candidate, with the tasks whose items are among those that count.

        Args:
            one: comes after all that was added before.
            counted: these tasks.
        """
        if one.scores:
            self._measured.add(one.candidate)
        known = self._found.get(one.candidate, Told(one.candidate, {}))
        self._found[one.candidate] = put_together(known, one, counted)

    def comparable(self, counts: Mapping[str, int | None]) -> list[Told]:
        """Candidates without those that some item was not asked of.

        Args:
            counts: by task the number of items that count now; None where a task has had no
                others, so that whoever was asked was asked all of them.
        """
        return [
            told
            for told in self._found.values()
            if told.candidate not in self._measured or is_whole(told, counts)
        ]


def comparable(
    asked: Iterable[tuple[Asked, Collection[str]]], counts: Mapping[str, int | None]
) -> list[Told]:
    """See `Gathered.comparable`, of all that was asked, in the order of the plans."""
    gathered = Gathered()
    for one, counted in asked:
        gathered.add(one, counted)
    return gathered.comparable(counts)


def is_whole(told: Told, counts: Mapping[str, int | None]) -> bool:
    """Whether a candidate was asked all that counts (`Gathered.comparable` tells how)."""
    return all(
        task in told.scores and (count is None or len(told.outcomes[task]) == count)
        for task, count in counts.items()
    )


def _share(marks: str) -> float:
    """Of the items that were asked, those that are solved."""
    return marks.count("1") / (len(marks) - marks.count(NOT_ASKED))
