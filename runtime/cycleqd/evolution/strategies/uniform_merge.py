"""The merge without learning: the mean of all experts, a single candidate."""

from __future__ import annotations

from collections.abc import Callable

from cycleqd.evolution.genome import Genome, GenomeLayout, scaled_experts_genome
from cycleqd.evolution.strategies.base import Proposal, SearchState, Strategy


def uniform_merge(layout: GenomeLayout) -> Genome:
    """``base + 1/E sum of task vectors``."""
    experts = len(layout.experts)
    return scaled_experts_genome(layout, [1.0 / experts] * experts)


class UniformMerge(Strategy):
    """Proposes the uniform merge as candidate 0 and nothing else."""

    def propose(
        self,
        number: int,
        state: SearchState,  # noqa: ARG002 - nothing is searched
        genome_of: Callable[[str], Genome],  # noqa: ARG002
    ) -> Proposal | None:
        """The mean of the experts for number 0, None after it."""
        return Proposal(0, uniform_merge(self.layout)) if number == 0 else None
