"""What a swarm may learn from: for each item, answers that passed its check.

Whoever solved an item has written a correct answer to it, and the check has proved it; no label is
needed. Several members solve an item in several ways. Which ways are taught follows from the stored
answers alone, so any machine chooses the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

Choice = Literal["Shortest", "Frequent", "Diverse"]


@dataclass(frozen=True)
class Lesson:
    """One way to solve an item.

    Attributes:
        item: id of the item.
        answer: the completion.
        givers: candidates that gave it, in the order in which they were told.
    """

    item: str
    answer: str
    givers: tuple[str, ...]


def gather(told: Iterable[tuple[str, Mapping[str, str]]]) -> dict[str, tuple[Lesson, ...]]:
    """All ways to solve each item of a task.

    Args:
        told: candidates with their answers by item, in an order that all machines agree on.

    Returns:
        By item, in the order of their ids; ways in the order in which they were first told. Answers
        that differ in white space at their ends are one.
    """
    givers: defaultdict[str, dict[str, list[str]]] = defaultdict(dict)
    texts: dict[tuple[str, str], str] = {}
    for candidate, answers in told:
        for item, answer in answers.items():
            way = answer.strip()
            texts.setdefault((item, way), answer)
            givers[item].setdefault(way, []).append(candidate)
    return {
        item: tuple(
            Lesson(item, texts[item, way], tuple(names)) for way, names in givers[item].items()
        )
        for item in sorted(givers)
    }


def choose(
    ways: Iterable[Lesson], count: int, choice: Choice, teachers: Collection[str] = ()
) -> tuple[Lesson, ...]:
    """The ways of one item that are taught, at most ``count``.

    Args:
        ways: of `gather`.
        count: how many, from 1.
        choice: ``Shortest`` first; ``Frequent``, those of most givers first; ``Diverse``, the
            shortest and then whichever differs most from those taken, by its words.
        teachers: candidates whose ways are taken before those of all others.
    """
    names = frozenset(teachers)
    left = sorted(ways, key=lambda way: (len(way.answer), way.answer))
    if choice == "Frequent":
        left.sort(key=lambda way: -len(way.givers))  # stable: the shorter of equals
    left.sort(key=lambda way: names.isdisjoint(way.givers))
    if choice != "Diverse":
        return tuple(left[:count])
    taken: list[Lesson] = []
    while left and len(taken) < count:
        first = [way for way in left if not names.isdisjoint(way.givers)] or left
        farthest = max(first, key=lambda way: min((_distance(way, t) for t in taken), default=0.0))
        left.remove(farthest)
        taken.append(farthest)
    return tuple(taken)


def _distance(one: Lesson, other: Lesson) -> float:
    """Share of the words of both that only one has (Jaccard)."""
    first, second = set(one.answer.split()), set(other.answer.split())
    return len(first ^ second) / max(1, len(first | second))


def only_solver(ways: Mapping[str, tuple[Lesson, ...]]) -> dict[str, str]:
    """Items that a single candidate has solved, with its id."""
    found = {}
    for item, lessons in ways.items():
        givers = {giver for lesson in lessons for giver in lesson.givers}
        if len(givers) == 1:
            found[item] = givers.pop()
    return found
