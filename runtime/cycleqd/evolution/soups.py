"""Model soups among the children: plain means of several elites (Wortsman et al., 2022).

Models that were tuned from merges of the same experts lie in one basin, and their mean errs less on
new items than each of them. So some children are such a mean of elites drawn as parents are, and
nothing is added to it: steps aside would undo what averaging brings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cycleqd.evolution.rng import stream
from cycleqd.evolution.selection import draw_elites

if TYPE_CHECKING:
    from cycleqd.evolution.archive import Archive, Member
    from cycleqd.manifest.evolution import Selection, Soup


def soup_of(
    archive: Archive, soup: Soup, selection: Selection, *, seed: int, number: int
) -> list[Member]:
    """The elites whose mean a child is; none where it is a crossing of two.

    Args:
        archive: the one in focus.
        soup: the run's ``crossover.soup``.
        selection: how elites are drawn.
        seed: the run's.
        number: of the child.
    """
    if stream(seed, number, "is-soup").uniform(1)[0] >= soup.share:
        return []
    members = draw_elites(archive, selection, soup.members, stream(seed, number, "soup"))
    return members if len(members) > 1 else []
