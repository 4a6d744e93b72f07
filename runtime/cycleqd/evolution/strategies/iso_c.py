"""Iso-C (Marczak et al., 2025): the sum with a flat spectrum; no search but for a factor."""

from __future__ import annotations

from cycleqd.evolution.strategies.merged import GridSettings, MergedGrid


class IsoC(MergedGrid[GridSettings]):
    """``base + factor * isotropic sum of the task vectors``."""

    name = "IsoC"
    summary = "(merge without a search: Iso-C, one factor from a grid)"
    settings_model = GridSettings
