"""Model soups among the children: plain means of several members (Wortsman et al., 2022).

Models that were tuned from merges of the same experts lie in one basin, and their mean errs less on
new items than each of them. So some children are such a mean, and nothing is added to it: steps
aside would undo what averaging brings.

Only good models may go in. One merge of three that has not learned yet cost more than the averaging
gained (measured), and archives keep such members in cells that nobody else reaches; so members are
drawn by how balanced they are, whatever the task in focus.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cycleqd.evolution.aggregate import softmax_weights
from cycleqd.evolution.front import balance, members_of
from cycleqd.evolution.rng import stream
from cycleqd.evolution.selection import draw_without_replacement

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cycleqd.evolution.archive import Archive, Member
    from cycleqd.evolution.selection import Float64
    from cycleqd.manifest.evolution import Soup


def soup_probabilities(members: list[Member], temperature: float) -> Float64:
    """(members,) float64 summing to 1: the softmax of their balance divided by the temperature."""
    balances = [balance(member.scores, member.unseen)[0] for member in members]
    return np.array(softmax_weights(balances, temperature))


def soup_of(archives: Mapping[str, Archive], soup: Soup, *, seed: int, number: int) -> list[Member]:
    """The members whose mean a child is; none where it is a crossing of two.

    Args:
        archives: by task, none of them empty.
        soup: the run's ``crossover.soup``.
        seed: the run's.
        number: of the child.
    """
    if stream(seed, number, "is-soup").uniform(1)[0] >= soup.share:
        return []
    members = members_of(archives)
    weights = soup_probabilities(members, soup.temperature)
    count = min(soup.members, int(np.count_nonzero(weights)))
    places = draw_without_replacement(weights, count, stream(seed, number, "soup"))
    return [members[place] for place in places] if count > 1 else []
