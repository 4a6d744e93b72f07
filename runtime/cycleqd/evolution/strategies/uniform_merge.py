"""The merge without learning: the mean of all experts, a single candidate."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from cycleqd.evolution.strategies.base import Proposal, SearchState, Strategy

if TYPE_CHECKING:
    from cycleqd.evolution.genome import Genome, GenomeLayout


def uniform_merge(layout: GenomeLayout, experts: Collection[str] | None = None) -> Genome:
    """``base + 1/E sum of task vectors``.

    Args:
        layout: of the run's genomes.
        experts: names of those that are merged; all when absent.
    """
    from cycleqd.evolution.genome import scaled_experts_genome

    merged = layout.experts if experts is None else experts
    share = 1.0 / len(merged)
    return scaled_experts_genome(layout, [share * (name in merged) for name in layout.experts])


class UniformMerge(Strategy[None]):
    """Proposes the uniform merge as candidate 0 and nothing else."""

    name = "UniformMerge"
    summary = "(baseline: the mean of the experts, one candidate)"

    def propose(
        self,
        number: int,
        state: SearchState,  # noqa: ARG002 - nothing is searched
        genome_of: Callable[[str], Genome],  # noqa: ARG002
    ) -> Proposal | None:
        """The mean of the experts for number 0, None after it."""
        return Proposal(0, uniform_merge(self.layout)) if number == 0 else None
