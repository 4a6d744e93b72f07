"""Choice of a second parent by what it adds to the first (M2N2, arXiv 2508.16204).

Two models of equal scores may solve the same items or quite different ones; only the latter have
something to learn from one another. A model's fitness on an item is split between all elites that
solve it, so items that few solve count for more, and an elite attracts the first parent by the sum
of what it is fitter at, item by item.

Sums are correctly rounded (`math.fsum`), so neither the order of items, elites and tasks nor the
machine moves a draw.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from math import fsum

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]

Outcomes = Mapping[str, str]
"""For each task one character an item; ``1`` where it is solved, anything else where not."""


def attraction(first: Outcomes, others: Sequence[Outcomes]) -> Float64:
    """How much each of the other elites adds to the first parent.

    ``sum_j max(0, F_j(other) - F_j(first))`` with ``F_j(m) = s_j(m) / z_j``, where ``s_j`` is 1
    where ``m`` solves item ``j``, else 0, and ``z_j`` elites do, the first among them. A task's sum
    is divided by the number of its items, so that all tasks weigh alike.

    Args:
        first: of the first parent.
        others: of the archive's other elites.

    Returns:
        (others,) float64, 0 where an elite solves nothing that the first does not.
    """
    everyone = (first, *others)
    gains: list[list[float]] = [[] for _ in others]
    for task in dict.fromkeys(chain.from_iterable(everyone)):
        marks = [outcomes.get(task, "") for outcomes in everyone]
        own, *theirs = [_solved(one) for one in marks]
        solvers = Counter(chain(own, *theirs))
        items = max(len(one) for one in marks)
        for gain, solved in zip(gains, theirs, strict=True):
            gain.extend(1.0 / (solvers[item] * items) for item in solved - own)
    return np.array([fsum(gain) for gain in gains])


def _solved(marks: str) -> set[int]:
    """Places of the items that are solved."""
    return {place for place, mark in enumerate(marks) if mark == "1"}
