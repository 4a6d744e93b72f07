"""Scalar task arithmetic (Ilharco et al., 2023): one factor for all task vectors, from a grid."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from cycleqd.evolution.strategies.base import Proposal, SearchState, Strategy

if TYPE_CHECKING:
    from cycleqd.evolution.genome import Genome

LARGEST_FACTOR = 1.5
"""Factors beyond it overshoot any skill that survives at smaller ones."""


def van_der_corput(number: int) -> float:
    """The ``number``-th point of the base-2 van der Corput sequence in (0, 1).

    It fills the interval evenly however many points are taken, so a run can be extended.
    """
    value, denominator, n = 0.0, 1.0, number + 1
    while n:
        denominator *= 2.0
        n, bit = divmod(n, 2)
        value += bit / denominator
    return value


class TaskArithmetic(Strategy[None]):
    """``base + factor * sum of task vectors``, factor in (0, 1.5)."""

    name = "TaskArithmetic"
    summary = "(baseline: one factor for all experts, from a grid)"

    def propose(
        self,
        number: int,
        state: SearchState,  # noqa: ARG002 - the grid is fixed
        genome_of: Callable[[str], Genome],  # noqa: ARG002
    ) -> Proposal:
        """The next point of the grid."""
        from cycleqd.evolution.genome import scaled_experts_genome

        factor = LARGEST_FACTOR * van_der_corput(number)
        factors = [factor] * len(self.layout.experts)
        return Proposal(number, scaled_experts_genome(self.layout, factors))
