"""Which members are the best for some preference: what a choice among many models is worth.

A preference is a weighting of the tasks, not negative and with a sum of 1; a member's worth to it
is the weighted mean of its scores. A member counts where some preference values it above every
member with other scores: it is a corner of the convex hull of all scores, on the side of higher
ones. Who only ties with others does not count, and members of equal scores count once.

Decided without rounding. Against some rivals, the preference that leaves a member furthest ahead of
the nearest of them is the optimal strategy of a matrix game, so no preference will do once the
game's value is not positive. Rivals are added one by one, each time who is ahead of the member for
the preference found so far: a few decide.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fractions import Fraction

from cycleqd.evolution.metrics import pareto_front

MOST_ITEMS = 1_000_000
"""Scores are shares of at most so many items, and told apart exactly."""

Point = Sequence[Fraction]

_ONE = Fraction(1)


def preferred(members: Collection[Sequence[float]]) -> int:
    """How many members are the best for some preference.

    Args:
        members: scores by task, one sequence for each member.
    """
    # Whoever is equalled or exceeded everywhere is never alone at the top.
    front = [
        [Fraction(score).limit_denominator(MOST_ITEMS) for score in point]
        for point in pareto_front(members)
    ]
    return sum(_is_preferred(point, [o for o in front if o is not point]) for point in front)


def _is_preferred(point: Point, others: Sequence[Point]) -> bool:
    """Whether a preference leaves ``point`` ahead of each of the others."""
    leads = [[mine - theirs for mine, theirs in zip(point, other, strict=True)] for other in others]
    weights, rivals = [Fraction(1, len(point))] * len(point), list[Point]()
    while leads:
        worth = [sum(w * lead for w, lead in zip(weights, row, strict=True)) for row in leads]
        nearest = min(range(len(leads)), key=worth.__getitem__)
        if worth[nearest] > 0:
            break
        rivals.append(leads[nearest])
        value, weights = _best_weights(rivals)
        if value <= 0:
            return False
    return True


def _best_weights(leads: Sequence[Point]) -> tuple[Fraction, list[Fraction]]:
    """The weights of the columns whose lowest weighted mean of a row is the highest.

    With payoffs made positive by ``shift``, the game's value is 1 over the largest sum of
    ``q >= 0`` with ``payoffs^T q <= 1``, and the weights are that problem's prices. The simplex
    method finds them from the origin, by Bland's rule (1977) so that it ends.

    Returns:
        That lowest mean, and the weights.
    """
    shift, count, width = 2, len(leads), len(leads[0])
    rows = [
        [*(lead[i] + shift for lead in leads), *(Fraction(i == j) for j in range(width)), _ONE]
        for i in range(width)
    ]
    gains = [_ONE] * count + [_ONE * 0] * (width + 1)
    basis = list(range(count, count + width))
    while any(gain > 0 for gain in gains[:-1]):
        entering = next(column for column, gain in enumerate(gains) if gain > 0)
        # Positive payoffs bound q, so some row limits every column that enters.
        _, _, leaving = min(
            (row[-1] / row[entering], basis[i], i)
            for i, row in enumerate(rows)
            if row[entering] > 0
        )
        pivot = rows[leaving][entering]
        rows[leaving] = [value / pivot for value in rows[leaving]]
        basis[leaving] = entering
        for i, row in enumerate(rows):
            if i != leaving:
                rows[i] = _less(row, row[entering], rows[leaving])
        gains = _less(gains, gains[entering], rows[leaving])
    value = -1 / gains[-1]
    return value - shift, [-price * value for price in gains[count:-1]]


def _less(row: Point, times: Fraction, other: Point) -> list[Fraction]:
    """``row - times * other``."""
    return [mine - times * theirs for mine, theirs in zip(row, other, strict=True)]
