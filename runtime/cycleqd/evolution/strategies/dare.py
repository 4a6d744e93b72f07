"""DARE (Yu et al., 2024): drop at random and rescale, then sum; no search but for a factor."""

from __future__ import annotations

from cycleqd.evolution.strategies.merged import Density, Largest, MergedGrid, ThinnedSettings


class DARESettings(ThinnedSettings):
    """What is kept, and the grid."""

    density: Density = 0.5
    """Probability with which an element of a task vector is kept. Large models bear 0.1 (paper);
    the smaller the model, the more must stay."""

    largest: Largest = 1.5
    """Factors of the merged task vector lie between 0 and this, as those of ``TaskArithmetic``."""


class DARE(MergedGrid[DARESettings]):
    """``base + factor * sum of the thinned task vectors``."""

    name = "DARE"
    summary = "(merge without a search: DARE, one factor from a grid)"
    settings_model = DARESettings
