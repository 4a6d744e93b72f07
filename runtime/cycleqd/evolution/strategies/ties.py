"""TIES (Yadav et al., 2023): trim, elect sign, disjoint mean; no search but for a factor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from cycleqd.evolution.strategies.merged import GridSettings, MergedGrid
from cycleqd.manifest.values import DECIMAL

if TYPE_CHECKING:
    from cycleqd.evolution.genome import Merged


class TIESSettings(GridSettings):
    """What is kept, and the grid."""

    density: Annotated[float, Field(gt=0, le=1), DECIMAL] = 0.2
    """Share of the elements of each task vector that is kept, the largest of each tensor (paper:
    0.2)."""

    largest: Annotated[float, Field(gt=0, le=10), DECIMAL] = 3.0
    """Factors of the merged task vector lie between 0 and this; it is a mean, not a sum."""


class TIES(MergedGrid[TIESSettings]):
    """``base + factor * TIES of the task vectors``."""

    name = "TIES"
    summary = "(merge without a search: TIES, one factor from a grid)"
    settings_model = TIESSettings

    def term(self, factor: float) -> Merged:
        """See `MergedGrid.term`."""
        from cycleqd.evolution.genome import Merged

        return Merged("TIES", self.settings.density, factor)
