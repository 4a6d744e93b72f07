"""Random search, the baseline that any search must beat at equal numbers of evaluations."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from cycleqd.evolution.strategies.base import Proposal, SearchState, Strategy
from cycleqd.manifest.values import DECIMAL, Model

if TYPE_CHECKING:
    from cycleqd.evolution.genome import Genome
    from cycleqd.manifest.evolution import Evolution


class RandomGenomesSettings(Model):
    """What is drawn."""

    largest: Annotated[float, Field(gt=0, le=10), DECIMAL] = 1.0
    """Largest factor of an expert; each is drawn evenly from 0 to it."""


class RandomGenomes(Strategy[RandomGenomesSettings]):
    """Each expert's factor drawn from U[0, largest] at the grain of ``crossover.granularity``."""

    name = "RandomGenomes"
    summary = "(baseline: coefficients drawn at the crossover's granularity)"
    settings_model = RandomGenomesSettings
    settings_written = False

    @classmethod
    def described(cls, evolution: Evolution) -> tuple[tuple[str, str], ...]:
        """The grain and the range."""
        return (
            ("coefficients", f"one per expert and {evolution.crossover.granularity}"),
            *super().described(evolution),
        )

    def propose(
        self,
        number: int,
        state: SearchState,  # noqa: ARG002 - random search looks at nothing
        genome_of: Callable[[str], Genome],  # noqa: ARG002
    ) -> Proposal:
        """Draw one genome."""
        from cycleqd.evolution.crossover import factors_count, genome_at_grain
        from cycleqd.evolution.rng import stream

        crossover = self.spec.evolution.crossover
        count = factors_count(self.layout, crossover)
        drawn = self.settings.largest * stream(self.spec.seed, number, "random").uniform(count)
        return Proposal(number, genome_at_grain(self.layout, crossover, drawn))
