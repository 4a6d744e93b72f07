"""TIES (Yadav et al., 2023): trim, elect sign, disjoint mean; no search but for a factor."""

from __future__ import annotations

from cycleqd.evolution.strategies.merged import Density, Largest, MergedGrid, ThinnedSettings


class TIESSettings(ThinnedSettings):
    """What is kept, and the grid."""

    density: Density = 0.2
    """Share of the elements of each task vector that is kept, the largest of each tensor (paper:
    0.2)."""

    largest: Largest = 3.0
    """Factors of the merged task vector lie between 0 and this; it is a mean, not a sum."""


class TIES(MergedGrid[TIESSettings]):
    """``base + factor * TIES of the task vectors``."""

    name = "TIES"
    summary = "(merge without a search: TIES, one factor from a grid)"
    settings_model = TIESSettings
