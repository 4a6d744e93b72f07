"""``compare.png``: how far each manifest's search comes for what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cycleqd.compare.curves import Band, Progress, band
from cycleqd.report.drawing import drawing, png_of
from cycleqd.report.theme import Theme, shortened

_COLUMNS = 3
_HOURS_FROM = 3 * 3600
"""From so many seconds on the axis is in hours."""


def draw_progress(curves: Mapping[str, Sequence[Progress]], theme: Theme) -> bytes:
    """The picture as PNG: one line for each manifest, the mean over seeds, in a band of all.

    Args:
        curves: by manifest, its runs; those without any evaluation are left out.
        theme: colours.
    """
    drawn = {
        name: kept for name, runs in curves.items() if (kept := [r for r in runs if r.best.size])
    }
    longest = max((run.total for runs in drawn.values() for run in runs), default=0.0)
    unit, seconds = ("hours", 3600.0) if longest >= _HOURS_FROM else ("seconds", 1.0)
    legend_rows = -(-len(drawn) // _COLUMNS)
    with drawing(theme, 9.6, 3.9 + 0.24 * legend_rows) as figure:
        left, right = figure.subplots(1, 2, sharey=True)
        for index, (name, runs) in enumerate(drawn.items()):
            colour, style = theme.series_style(index)
            look = {"color": colour, "linestyle": style, "label": shortened(name, 40)}
            _draw(left, band([(run.seconds / seconds, run.best) for run in runs]), look)
            _draw(right, band([(run.worth, run.best) for run in runs]), look)
        left.set_title("Best balanced search score against cost")
        left.set_ylabel("geometric mean over tasks, search items")
        left.set_xlabel(f"worker-{unit}")
        right.set_xlabel("cost in plain evaluations of the same run")
        for axes in (left, right):
            axes.margins(y=0.08)
            axes.set_xlim(left=0)
            axes.grid(axis="y", linewidth=0.8)
            axes.set_axisbelow(True)
            axes.tick_params(length=0)
            axes.spines["left"].set_visible(False)
        if drawn:
            figure.legend(
                *left.get_legend_handles_labels(), loc="outside lower left", ncols=_COLUMNS,
                fontsize=9, handlelength=1.8,
            )  # fmt: skip
        return png_of(figure)


def _draw(axes: Any, curve: Band, look: Mapping[str, Any]) -> None:  # noqa: ANN401 - matplotlib's
    axes.plot(curve.cost, curve.mean, drawstyle="steps-post", linewidth=1.8, **look)
    # A dot says that the search ends here, and not that another line hides it.
    axes.plot(curve.cost[-1:], curve.mean[-1:], marker="o", markersize=4.5, color=look["color"])
    if not np.array_equal(curve.lowest, curve.highest):
        axes.fill_between(
            curve.cost, curve.lowest, curve.highest,
            step="post", color=look["color"], alpha=0.12, linewidth=0,
        )  # fmt: skip
