"""TSV-M (Gargiulo et al., 2025): orthogonal singular directions; no search but for a factor."""

from __future__ import annotations

from cycleqd.evolution.strategies.merged import GridSettings, MergedGrid


class TSVM(MergedGrid[GridSettings]):
    """``base + factor * sum of each expert's leading singular directions, made orthogonal``."""

    name = "TSVM"
    summary = "(merge without a search: TSV-M, one factor from a grid)"
    settings_model = GridSettings
