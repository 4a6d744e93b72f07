"""Random search, the baseline that any search must beat at equal numbers of evaluations."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from cycleqd.evolution.strategies.at_grain import AtGrain
from cycleqd.evolution.strategies.base import Proposal, SearchState
from cycleqd.manifest.values import DECIMAL, Model

if TYPE_CHECKING:
    from cycleqd.evolution.genome import Genome


class RandomGenomesSettings(Model):
    """What is drawn."""

    largest: Annotated[float, Field(gt=0, le=10), DECIMAL] = 1.0
    """Largest factor of an expert; each is drawn evenly from 0 to it."""


class RandomGenomes(AtGrain[RandomGenomesSettings]):
    """Each expert's factor drawn from U[0, largest] at the grain of ``crossover.granularity``."""

    name = "RandomGenomes"
    summary = "(baseline: coefficients drawn at the crossover's granularity)"
    settings_model = RandomGenomesSettings
    settings_written = False
    races = True
    grows = True

    def propose(
        self,
        number: int,
        state: SearchState,  # noqa: ARG002 - random search looks at nothing
        genome_of: Callable[[str], Genome],  # noqa: ARG002
    ) -> Proposal:
        """Draw one genome."""
        return Proposal(number, self.random(number, self.settings.largest, "random"))
