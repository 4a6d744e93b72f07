"""How the archives grew: QD score, coverage and best quality of each task over evaluations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cycleqd.report.data import HistoryRow, Scores
from cycleqd.report.drawing import drawing, png_of
from cycleqd.report.theme import Theme, shortened

_MOST_POINTS = 800
"""More points than pixels only cost time."""


@dataclass(frozen=True)
class Curve:
    """One measure of the archives.

    Attributes:
        name: for the file.
        title: of the picture.
        meaning: a sentence for the reader.
        of: the measure in a row of the history, by task.
        bounded: whether it lies in [0, 1].
    """

    name: str
    title: str
    meaning: str
    of: Callable[[HistoryRow], Scores]
    bounded: bool


CURVES = (
    Curve(
        "best",
        "Best score",
        "The highest quality in each archive, on the items that guide the search.",
        lambda row: row.best,
        bounded=True,
    ),
    Curve(
        "coverage",
        "Coverage",
        "The share of each archive's cells that some member holds.",
        lambda row: row.coverage,
        bounded=False,
    ),
    Curve(
        "qd-score",
        "QD score",
        "The sum of the qualities of all members of an archive: quality and diversity in one.",
        lambda row: row.qd_score,
        bounded=False,
    ),
)


def draw_curve(
    curve: Curve, history: Sequence[HistoryRow], tasks: Sequence[str], theme: Theme
) -> bytes:
    """The picture as PNG."""
    rows = _thinned(history)
    columns = 3 if max(map(len, tasks), default=0) <= 12 else 2
    legend_rows = -(-min(len(tasks), 12) // columns)
    with drawing(theme, 4.8, 3.0 + 0.22 * legend_rows) as figure:
        axes = figure.subplots()
        for index, task in enumerate(tasks):
            points = [
                (row.evaluations, curve.of(row)[task]) for row in rows if task in curve.of(row)
            ]
            colour, style = theme.series_style(index)
            axes.plot(
                [evaluations for evaluations, _ in points],
                [value for _, value in points],
                drawstyle="steps-post",
                linewidth=1.8,
                label=shortened(task, 22) if index < 12 else None,
                marker="o" if len(points) == 1 else "",
                color=colour,
                linestyle=style,
            )
        axes.set_title(curve.title)
        axes.set_xlabel("evaluated candidates")
        axes.grid(axis="y", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(length=0)
        axes.spines["left"].set_visible(False)
        if curve.bounded:
            axes.set_ylim(0, 1.02)
        else:
            axes.set_ylim(bottom=0)
        if not rows:
            axes.text(
                0.5, 0.5, "no generation committed yet", transform=axes.transAxes,
                ha="center", va="center", color=theme.muted, fontsize=11,
            )  # fmt: skip
            axes.set_xticks([])
            axes.set_yticks([])
        elif tasks:
            figure.legend(loc="outside lower left", ncols=columns, fontsize=8, handlelength=1.6)
        return png_of(figure)


def _thinned(history: Sequence[HistoryRow]) -> list[HistoryRow]:
    """Every n-th row and always the last."""
    step = -(-len(history) // _MOST_POINTS) or 1
    rows = list(history[::step])
    if history and rows[-1] is not history[-1]:
        rows.append(history[-1])
    return rows
