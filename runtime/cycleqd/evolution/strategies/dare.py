"""DARE (Yu et al., 2024): drop at random and rescale, then sum; no search but for a factor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from cycleqd.evolution.strategies.merged import GridSettings, MergedGrid
from cycleqd.manifest.values import DECIMAL

if TYPE_CHECKING:
    from cycleqd.evolution.genome import Merged


class DARESettings(GridSettings):
    """What is kept, and the grid."""

    density: Annotated[float, Field(gt=0, le=1), DECIMAL] = 0.5
    """Probability with which an element of a task vector is kept. Large models bear 0.1 (paper);
    the smaller the model, the more must stay."""

    largest: Annotated[float, Field(gt=0, le=10), DECIMAL] = 1.5
    """Factors of the merged task vector lie between 0 and this, as those of ``TaskArithmetic``."""


class DARE(MergedGrid[DARESettings]):
    """``base + factor * sum of the thinned task vectors``."""

    name = "DARE"
    summary = "(merge without a search: DARE, one factor from a grid)"
    settings_model = DARESettings

    def term(self, factor: float) -> Merged:
        """See `MergedGrid.term`."""
        from cycleqd.evolution.genome import Merged

        return Merged("DARE", self.settings.density, factor)
