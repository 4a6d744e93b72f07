"""A member counts as preferred if and only if some weighting of the tasks puts it alone on top."""

from __future__ import annotations

import numpy as np
import pytest

from cycleqd.compare.preferences import preferred

Points = list[tuple[float, ...]]


@pytest.mark.parametrize(
    ("members", "count"),
    [
        ([], 0),
        ([(0.0, 0.0)], 1),
        ([(1.0, 0.0), (0.0, 1.0), (0.6, 0.6)], 3),
        ([(1.0, 0.0), (0.0, 1.0), (0.4, 0.4)], 2),
        # On the edge between two others: always tied with one of them.
        ([(0.5, 0.5), (1.0, 0.0), (0.0, 1.0)], 2),
        ([(1 / 3, 2 / 3), (2 / 3, 1 / 3), (0.5, 0.5), (1.0, 0.0), (0.0, 1.0)], 2),
        # Level for who wants the first task alone, and worse for all others.
        ([(1.0, 0.0), (1.0, 0.2)], 1),
        # Equal scores are one choice.
        ([(0.5, 0.5), (0.5, 0.5)], 1),
        # Between grid points of 1/20: the best for weights near (0.025, 0.975) alone.
        ([(0.0, 1.0), (0.2, 0.995), (0.3, 0.98)], 3),
        # The middle of three specialists is above, on and below their plane.
        ([(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.35, 0.35, 0.35)], 4),
        ([(0.9, 0.0, 0.0), (0.0, 0.9, 0.0), (0.0, 0.0, 0.9), (0.3, 0.3, 0.3)], 3),
        ([(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.3, 0.3, 0.3)], 3),
    ],
)
def test_by_hand(members: Points, count: int) -> None:
    assert preferred(members) == count
    assert preferred(members[::-1]) == count


def corners(points: Points) -> int:
    """Of two tasks: corners of the upper hull from the best at one to the best at the other."""
    chain: list[tuple[int, int]] = []
    for x, y in sorted({(round(60 * x), round(60 * y)) for x, y in points}):
        while chain and chain[-1][1] <= y:
            chain.pop()
        while len(chain) > 1:
            (ax, ay), (bx, by) = chain[-2:]
            if (bx - ax) * (y - ay) < (by - ay) * (x - ax):
                break
            chain.pop()
        chain.append((x, y))
    return len(chain)


@pytest.mark.parametrize("seed", range(20))
def test_two_tasks_against_the_hull_in_the_plane(seed: int) -> None:
    generator = np.random.default_rng(seed)
    counts = generator.integers(0, 61, size=(generator.integers(1, 40), 2))
    points = [(x / 60, y / 60) for x, y in counts.tolist()]
    assert preferred(points) == corners(points)


@pytest.mark.parametrize("tasks", [1, 3, 5])
def test_whoever_a_drawn_preference_puts_on_top_counts(tasks: int) -> None:
    generator = np.random.default_rng(tasks)
    scores = np.round(100 * generator.dirichlet(np.full(tasks, 2.0), size=30)) / 100
    best = (generator.dirichlet(np.ones(tasks), size=20_000) @ scores.T).argmax(axis=1)
    found = len({tuple(scores[number]) for number in set(best.tolist())})
    assert found <= preferred([tuple(row) for row in scores.tolist()]) <= found + 3
