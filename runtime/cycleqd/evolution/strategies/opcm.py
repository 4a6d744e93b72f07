"""OPCM (Tang et al., 2025): experts merged one by one; no search but for a factor."""

from __future__ import annotations

from cycleqd.evolution.strategies.merged import GridSettings, MergedGrid


class OPCM(MergedGrid[GridSettings]):
    """``base + factor * sum of task vectors, each projected away from those before it``."""

    name = "OPCM"
    summary = "(merge without a search: OPCM in the experts' order, one factor from a grid)"
    settings_model = GridSettings
