"""The aggregate of ``aggregate.method: Front``: means of balanced members, tried before they count.

Specialists pull apart what their mean needs together, so the softmax of the best of each archive
may fall far below a single balanced member. Models that are balanced already lie closer, and their
mean may be better than each of them (model soups, Wortsman et al., 2022). Whether it is, nobody
knows before it is evaluated: so a few means are, on the search items, and the balanced member stays
where none of them beats it.

Its score is the highest of many on the same items and hence a little flattered, those of the means
are not: what is preferred to it has earned it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import fsum

from cycleqd.evolution.aggregate import mean
from cycleqd.evolution.archive import Archive, Member
from cycleqd.evolution.genome import Genome
from cycleqd.evolution.metrics import geometric_mean, pareto_front
from cycleqd.manifest.evolution import Aggregate
from cycleqd.records import keys

MEMBERS = 3
"""Up to so many members are averaged where the manifest does not say."""


def balance(scores: Mapping[str, float]) -> tuple[float, float]:
    """What models are compared by: the geometric mean of their scores, then the sum.

    A plain mean lets a search drop a skill.
    """
    return geometric_mean(scores.values()), fsum(scores.values())


def members_of(archives: Mapping[str, Archive]) -> list[Member]:
    """Each member of some archive once, the most balanced first; ties by id."""
    members = {m.candidate: m for archive in archives.values() for m in archive.cells.values()}
    return sorted(
        members.values(), key=lambda m: (*(-measure for measure in balance(m.scores)), m.candidate)
    )


def front_of(archives: Mapping[str, Archive]) -> list[Member]:
    """The members that no other equals or exceeds in every skill, the most balanced first.

    Of members with equal scores all are in it.
    """
    tasks = list(archives)
    members = members_of(archives)
    points = {m.candidate: tuple(m.scores[task] for task in tasks) for m in members}
    front = set(pareto_front(points.values()))
    return [member for member in members if points[member.candidate] in front]


def trials(archives: Mapping[str, Archive], settings: Aggregate, generation: int) -> dict[str, int]:
    """The means that are tried: how many members of the front, by candidate id."""
    most = min(settings.members or MEMBERS, len(front_of(archives)))
    return {keys.front_mean(generation, size): size for size in range(2, most + 1)}


def front_mean(
    archives: Mapping[str, Archive], size: int, genome_of: Callable[[str], Genome]
) -> Genome:
    """The mean of so many members of the front, the most balanced ones."""
    return mean([genome_of(member.candidate) for member in front_of(archives)[:size]])


def chosen(balanced: Member, tried: Sequence[Member]) -> Member:
    """The aggregate: the most balanced of all on the search items; the first of equals."""
    return max((balanced, *tried), key=lambda member: balance(member.scores))
