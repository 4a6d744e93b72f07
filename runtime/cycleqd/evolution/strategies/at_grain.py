"""What searches over the experts' factors have in common: genomes at the crossover's grain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cycleqd.evolution.strategies.base import S, Strategy

if TYPE_CHECKING:
    from cycleqd.evolution.crossover import Float64
    from cycleqd.evolution.genome import Genome
    from cycleqd.manifest.evolution import Evolution


class AtGrain(Strategy[S]):
    """One factor for each expert and ``crossover.granularity``, whatever it is found by."""

    @classmethod
    def described(cls, evolution: Evolution) -> tuple[tuple[str, str], ...]:
        """The grain and the settings."""
        return (
            ("coefficients", f"one per expert and {evolution.crossover.granularity}"),
            *super().described(evolution),
        )

    @property
    def factors(self) -> int:
        """How many a genome has."""
        from cycleqd.evolution.crossover import factors_count

        return factors_count(self.layout, self.spec.evolution.crossover)

    def genome(self, factors: Float64) -> Genome:
        """The genome of these factors, (experts, units) or flat in that order."""
        from cycleqd.evolution.crossover import genome_at_grain

        return genome_at_grain(self.layout, self.spec.evolution.crossover, factors)

    def random(self, number: int, largest: float, *purpose: str) -> Genome:
        """A genome whose factors are drawn evenly from 0 to ``largest``."""
        from cycleqd.evolution.rng import stream

        drawn = stream(self.spec.seed, number, *purpose).uniform(self.factors)
        return self.without_retired(self.genome(largest * drawn))
