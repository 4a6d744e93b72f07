"""Which generations a curve passes: few of a long run, and mostly the same at each look."""

from __future__ import annotations

MOST_POINTS = 64


def sampled(committed: int, most: int = MOST_POINTS) -> tuple[int, ...]:
    """Generations from 0 to the last one, at most ``most + 2`` of them.

    They are the multiples of a power of two, so that a run which grows adds points and asks for no
    other ones; when the power doubles, every second point is left out.

    Args:
        committed: the last generation, -1 for none.
        most: how many multiples there may be.
    """
    step = 1
    while committed // step >= most:
        step *= 2
    points = list(range(0, committed + 1, step))
    if points and points[-1] != committed:
        points.append(committed)
    return tuple(points)
