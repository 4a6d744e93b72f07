"""What merges without a search have in common: a grid of factors for one merged task vector.

A strategy is called like its method, so a file says no more than what is its own: its name, and
settings with their defaults.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, TypeVar, cast

from pydantic import Field

from cycleqd.evolution.strategies.base import Proposal, SearchState, Strategy
from cycleqd.evolution.strategies.task_arithmetic import van_der_corput
from cycleqd.manifest.values import DECIMAL, Model

if TYPE_CHECKING:
    from cycleqd.evolution.genome import Genome, MergeMethod

Largest = Annotated[float, Field(gt=0, le=10), DECIMAL]
Density = Annotated[float, Field(gt=0, le=1), DECIMAL]


class GridSettings(Model):
    """The grid."""

    largest: Largest = 2.0
    """Factors of the merged task vector lie between 0 and this."""


class ThinnedSettings(GridSettings):
    """What is kept, and the grid."""

    density: Density
    """Share of each task vector that is kept."""


S = TypeVar("S", bound=GridSettings)


class MergedGrid(Strategy[S]):
    """``base + factor * merged task vector``; the grid is that of ``TaskArithmetic``."""

    def propose(
        self,
        number: int,
        state: SearchState,  # noqa: ARG002 - the grid is fixed
        genome_of: Callable[[str], Genome],  # noqa: ARG002
    ) -> Proposal:
        """The next point of the grid."""
        from dataclasses import replace

        from cycleqd.evolution.genome import Merged, base_genome

        settings = self.settings
        density = settings.density if isinstance(settings, ThinnedSettings) else None
        factor = settings.largest * van_der_corput(number)
        term = Merged(cast("MergeMethod", self.name), density, factor)
        return Proposal(number, replace(base_genome(self.layout), merged=(term,)))
