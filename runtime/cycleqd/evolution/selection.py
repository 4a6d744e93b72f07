"""Choice of two parents from the archive in focus (paper, section 3.3, "elite sampling").

The probability of an elite is proportional to the product of one factor for each dimension, the
quality and every behaviour, min-max normalised over the archive's elites: those that are good at
several things are drawn more often, by a factor of at most 4.1 at three tasks. Instead, the second
parent may be drawn by what it adds to the first (`cycleqd.evolution.attraction`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from cycleqd.evolution.archive import Archive, Cell, Member
from cycleqd.evolution.attraction import Outcomes, attraction
from cycleqd.evolution.rng import Stream
from cycleqd.manifest.evolution import Selection

Float64 = npt.NDArray[np.float64]


def _normalised(values: Float64) -> Float64:
    """(elites, dimensions) scaled to [0, 1] along the first axis; a constant column becomes 0."""
    low, high = values.min(axis=0), values.max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    scaled: Float64 = (values - low) / span
    return scaled


def probabilities(archive: Archive, selection: Selection) -> Float64:
    """(elites,) float64 summing to 1, in the order of `Archive.elites`."""
    elites = archive.elites()
    if selection.method == "Uniform":
        return np.full(len(elites), 1.0 / len(elites))
    if selection.method == "Elite":
        tasks = [archive.task, *(axis.task for axis in archive.axes)]
        raw = np.array([[member.scores[task] for task in tasks] for _, member in elites])
        factors = selection.low + _normalised(raw) * (selection.high - selection.low)
    else:
        binned = np.array([[member.scores[archive.task], *cell] for cell, member in elites], float)
        factors = selection.low + _normalised(binned) * selection.high
    weights: Float64 = factors.prod(axis=1)
    share: Float64 = weights / weights.sum()
    return share


def _draw(weights: Float64, stream: Stream) -> int:
    """An index with probability proportional to its weight."""
    cumulative = np.cumsum(weights)
    point = stream.uniform(1)[0] * cumulative[-1]
    return int(np.searchsorted(cumulative, point, side="right"))


def draw_parents(
    archive: Archive,
    selection: Selection,
    stream: Stream,
    outcomes: Callable[[], Mapping[str, Outcomes]] = dict,
) -> tuple[Member, Member | None]:
    """Two elites of distinct cells; the second is None where only one cell is occupied.

    Args:
        archive: the one in focus.
        selection: how they are drawn.
        stream: what decides; two numbers of it are taken, none where one cell is occupied.
        outcomes: gives those of all elites by candidate; only partners by attraction are drawn by
            them.

    Raises:
        ValueError: the archive is empty.
    """
    elites: Sequence[tuple[Cell, Member]] = archive.elites()
    if not elites:
        raise ValueError(f"the archive of {archive.task!r} is empty")
    if len(elites) == 1:
        return elites[0][1], None
    weights = probabilities(archive, selection)
    first = _draw(weights, stream)
    weights[first] = 0.0
    if selection.partner == "Attraction":
        known = outcomes()
        solved = [known[member.candidate] for _, member in elites]
        added = attraction(solved[first], solved[:first] + solved[first + 1 :])
        if added.any():
            weights = np.insert(added, first, 0.0)
    second = _draw(weights, stream)
    return elites[first][1], elites[second][1]


def draw_without_replacement(weights: Float64, count: int, stream: Stream) -> list[int]:
    """Different indices in the order drawn, each proportional to the weights that are left.

    Args:
        weights: (n,) float64, at least ``count`` of them above 0.
        count: how many are drawn.
        stream: ``count`` numbers of it are taken.
    """
    left = weights.copy()
    drawn = []
    for _ in range(count):
        place = _draw(left, stream)
        left[place] = 0.0
        drawn.append(place)
    return drawn
