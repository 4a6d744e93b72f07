"""The aggregate of ``aggregate.method: Front``: means of balanced members, tried before they count.

Specialists pull apart what their mean needs together, so the softmax of the best of each archive
may fall far below a single balanced member. Models that are balanced already lie closer, and their
mean may be better than each of them (model soups, Wortsman et al., 2022). Whether it is, nobody
knows before it is evaluated: so a few means are, on the search items, and the balanced member stays
where it is clearly better than all of them.

Of means that are as good as far as the items can tell, the one of most members is taken: what each
learned by heart is averaged away, so it errs less on new items (the rule of one standard error,
Breiman et al., 1984).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import fsum, sqrt
from types import MappingProxyType

from cycleqd.evolution.aggregate import mean
from cycleqd.evolution.archive import Archive, Member
from cycleqd.evolution.genome import Genome
from cycleqd.evolution.metrics import geometric_mean, pareto_front
from cycleqd.manifest.evolution import Aggregate
from cycleqd.records import keys

MEMBERS = 5
"""Up to so many members are averaged where the manifest does not say."""


def balance(
    scores: Mapping[str, float], unseen: Mapping[str, float] = MappingProxyType({})
) -> tuple[float, float, float]:
    """What models are compared by: the geometric mean of their scores, then the sum.

    A plain mean lets a search drop a skill.

    Args:
        scores: on the search items by task.
        unseen: on those that are kept out of tuning, which come first; empty where none are.
    """
    mean = geometric_mean(scores.values())
    return geometric_mean(unseen.values()) if unseen else mean, mean, fsum(scores.values())


def _rank(member: Member) -> tuple[float, float, float]:
    return balance(member.scores, member.unseen)


def compared(member: Member) -> Mapping[str, float]:
    """The scores that members are compared by: of unseen items where some are kept out."""
    return member.unseen or member.scores


def standard_error(scores: Mapping[str, float], counts: Mapping[str, int]) -> float:
    """Of the geometric mean of scores, to first order.

    Args:
        scores: shares of solved items by task.
        counts: of items.
    """
    if not all(scores.values()):
        return 0.0
    variance = fsum((1.0 - share) / (share * counts[task]) for task, share in scores.items())
    return geometric_mean(scores.values()) * sqrt(variance) / len(scores)


def members_of(archives: Mapping[str, Archive]) -> list[Member]:
    """Each member of some archive once, the most balanced first; ties by id."""
    members = {m.candidate: m for archive in archives.values() for m in archive.cells.values()}
    return sorted(
        members.values(), key=lambda m: (*(-measure for measure in _rank(m)), m.candidate)
    )


def front_of(archives: Mapping[str, Archive]) -> list[Member]:
    """The members that no other equals or exceeds in every skill, the most balanced first.

    Of members with equal scores all are in it. Scores are those of the items that are kept out of
    tuning, where some are.
    """
    tasks = list(archives)
    members = members_of(archives)
    points = {m.candidate: tuple(compared(m)[task] for task in tasks) for m in members}
    front = set(pareto_front(points.values()))
    return [member for member in members if points[member.candidate] in front]


def trials(archives: Mapping[str, Archive], settings: Aggregate, generation: int) -> dict[str, int]:
    """The means that are tried: how many members each is of, by candidate id.

    All that are asked for, half of them, and so on down to two; the smallest first.
    """
    size = min(settings.members or MEMBERS, len(members_of(archives)))
    sizes = []
    while size > 1:
        sizes.append(size)
        size = (size + 1) // 2 if size > 2 else 1
    return {keys.front_mean(generation, size): size for size in reversed(sizes)}


def front_mean(
    archives: Mapping[str, Archive], size: int, genome_of: Callable[[str], Genome]
) -> Genome:
    """The mean of the most balanced members of the front.

    A late front may be two models that beat all others by an item: what it lacks is made up from
    the others, the most balanced first.
    """
    front = front_of(archives)
    others = [member for member in members_of(archives) if member not in front]
    return mean([genome_of(member.candidate) for member in [*front, *others][:size]])


def chosen(balanced: Member, tried: Sequence[Member], counts: Mapping[str, int]) -> Member:
    """The aggregate: the widest mean that is at most one standard error below the best of all.

    Args:
        balanced: the balanced member.
        tried: means of members, the smallest first.
        counts: by task the items that models are compared by.
    """
    if not tried:
        return balanced
    best = max((balanced, *tried), key=_rank)
    least = _rank(best)[0] - standard_error(compared(best), counts)
    return next((m for m in reversed(tried) if _rank(m)[0] >= least), balanced)
