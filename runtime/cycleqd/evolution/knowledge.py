"""What a swarm knows: which items somebody has solved, when first, and who alone.

Follows from the stored answers, each of which has passed its check. Answers are looked at one
candidate at a time and only the first to each item is kept, so runs of any length fit in memory.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Told:
    """A candidate's answers that passed their checks.

    Attributes:
        candidate: its id.
        generation: the one that evaluated it; 0 holds the experts.
        answers: by task the completions, by the item's id.
    """

    candidate: str
    generation: int
    answers: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Solution:
    """The first answer to an item.

    Attributes:
        item: its id.
        candidate: who gave it.
        generation: when.
        answer: the completion.
        solvers: how many candidates have solved the item by now.
    """

    item: str
    candidate: str
    generation: int
    answer: str
    solvers: int


@dataclass(frozen=True)
class Knowledge:
    """What is known of one task.

    Attributes:
        items: how many there are.
        solved: number of items that somebody had solved after each generation, from 0 on.
        firsts: the first answer to each solved item, in the order of the items.
        unsolved: ids of the items that nobody has solved.
        by_experts: ids of those that an expert has solved, whenever it was asked them.
    """

    items: int
    solved: tuple[int, ...]
    firsts: tuple[Solution, ...]
    unsolved: tuple[str, ...]
    by_experts: frozenset[str]

    def new(self) -> tuple[Solution, ...]:
        """First answers to the items that no expert solves, oldest first."""
        others = (first for first in self.firsts if first.item not in self.by_experts)
        return tuple(sorted(others, key=lambda first: (first.generation, first.candidate)))

    def alone(self) -> dict[str, tuple[str, ...]]:
        """Items that a single candidate has solved, by its id; who has most of them first."""
        found: dict[str, list[str]] = {}
        for first in self.firsts:
            if first.solvers == 1:
                found.setdefault(first.candidate, []).append(first.item)
        ranked = sorted(found.items(), key=lambda pair: (-len(pair[1]), pair[0]))
        return {candidate: tuple(items) for candidate, items in ranked}

    def samples(self, count: int) -> tuple[Solution, ...]:
        """Answers worth reading: to what no expert solves first, then to what few have solved."""
        ranked = sorted(
            self.firsts, key=lambda first: (first.item in self.by_experts, first.solvers)
        )
        return tuple(ranked[:count])


def known(
    items: Mapping[str, Sequence[str]],
    told: Iterable[Told],
    generations: int,
    experts: Collection[str],
) -> dict[str, Knowledge]:
    """What is known of each task.

    Args:
        items: ids of the search items by task. Answers to others are passed over.
        told: all candidates in the order of their plans: the first of them to an item counts.
        generations: the last committed generation.
        experts: their candidate ids.
    """
    firsts: dict[str, dict[str, tuple[str, int, str]]] = {task: {} for task in items}
    by_experts: dict[str, set[str]] = {task: set() for task in items}
    counts = {task: dict.fromkeys(ids, 0) for task, ids in items.items()}
    for one in told:
        for task, answers in one.answers.items():
            for item in answers.keys() & counts.get(task, {}).keys():
                counts[task][item] += 1
                if one.candidate in experts:
                    by_experts[task].add(item)
                first = (one.candidate, one.generation, answers[item])
                firsts[task].setdefault(item, first)
    found = {}
    for task, ids in items.items():
        solutions = tuple(
            Solution(item, *firsts[task][item], counts[task][item])
            for item in ids
            if item in firsts[task]
        )
        when = [solution.generation for solution in solutions]
        solved = tuple(sum(g <= now for g in when) for now in range(generations + 1))
        unsolved = tuple(item for item in ids if item not in firsts[task])
        found[task] = Knowledge(len(ids), solved, solutions, unsolved, frozenset(by_experts[task]))
    return found
