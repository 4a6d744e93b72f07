"""Random search, the baseline that any search must beat at equal numbers of evaluations."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from cycleqd.evolution.strategies.base import Proposal, SearchState, Strategy

if TYPE_CHECKING:
    from cycleqd.evolution.genome import Genome
    from cycleqd.manifest.evolution import Evolution


class RandomGenomes(Strategy[None]):
    """Each expert's factor drawn from U[0, 1] at the grain of ``crossover.granularity``."""

    name = "RandomGenomes"
    summary = "(baseline: coefficients drawn at the crossover's granularity)"

    @classmethod
    def described(cls, evolution: Evolution) -> tuple[tuple[str, str], ...]:
        """The grain."""
        return (("coefficients", f"one per expert and {evolution.crossover.granularity}"),)

    def propose(
        self,
        number: int,
        state: SearchState,  # noqa: ARG002 - random search looks at nothing
        genome_of: Callable[[str], Genome],  # noqa: ARG002
    ) -> Proposal:
        """Draw one genome."""
        import numpy as np

        from cycleqd.evolution.crossover import units
        from cycleqd.evolution.genome import Genome
        from cycleqd.evolution.rng import stream

        unit_of = units(self.layout, self.spec.evolution.crossover)
        experts, count = len(self.layout.experts), max(unit_of) + 1
        drawn = stream(self.spec.seed, number, "random").uniform(experts * count)
        scale = drawn.reshape(experts, count)[:, unit_of].astype(np.float32)
        return Proposal(number, Genome(self.layout, scale))
