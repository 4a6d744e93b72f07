"""An archive as pictures: one for each pair of behaviours, whatever the number of tasks.

The colour is the elite's quality on a scale from 0 to 1 that all pictures share. With more than two
behaviours a cell of a picture shows the best elite over all other behaviours. With one behaviour
the picture is a row of bars, with none a single bar. The axes are scores, so an expert's mark
stands where its scores are, moved to the border where they lie beyond it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle

from cycleqd.report.drawing import Margins, drawing, place, png_of
from cycleqd.report.marks import (
    NAMED_EXPERTS,
    label_bins,
    mark_experts,
    say_empty,
    title_of,
)
from cycleqd.report.theme import COLORMAP, Theme, shortened

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cycleqd.report.data import ArchiveView, BehaviourAxis, ExpertPoint

_PAIRS_AS_FILES = 6
"""Up to so many pairs each get a picture; beyond, one picture holds them all as small panels."""

_NUMBERED_BINS = 8

# Inches below and above a panel, and how far from the right border the bar of colours begins.
_BELOW, _ABOVE, _BAR_BEGINS = 0.52, 0.32, 0.72


@dataclass(frozen=True)
class Heatmap:
    """A picture of an archive.

    Attributes:
        title: what it shows.
        name: for the file, not yet safe as a file name.
        behaviours: positions of the axes it shows.
    """

    title: str
    name: str
    behaviours: tuple[int, ...]


def heatmaps_of(archive: ArchiveView) -> list[Heatmap]:
    """The pictures that show an archive."""
    own = archive.task
    names = [axis.task for axis in archive.axes]
    if len(names) < 2:
        behind = f" by {names[0]}" if names else ""
        return [Heatmap(f"{own}{behind}", own, tuple(range(len(names))))]
    pairs = list(combinations(range(len(names)), 2))
    if len(pairs) > _PAIRS_AS_FILES:
        return [Heatmap(f"{own} by every pair", own, tuple(range(len(names))))]
    return [
        Heatmap(
            f"{own} by {names[x]} and {names[y]}",
            own if len(pairs) == 1 else f"{own}-by-{names[x]}-and-{names[y]}",
            (x, y),
        )
        for x, y in pairs
    ]


def draw_heatmap(
    archive: ArchiveView, heatmap: Heatmap, experts: Sequence[ExpertPoint], theme: Theme
) -> bytes:
    """The picture as PNG."""
    shown = heatmap.behaviours
    if len(shown) > 2:
        return _draw_matrix(archive, experts, theme)
    if not shown:
        return _draw_single(archive, experts, theme)
    with drawing(theme, 4.8, 3.8 if len(shown) == 1 else 4.25, fixed=True) as figure:
        axes = figure.subplots()
        if len(shown) == 1:
            _draw_bars(axes, archive, experts, theme)
            place(figure, axes, Margins(_left_of(axes), _BELOW, 0.25, _ABOVE))
        else:
            _draw_pair(axes, archive, (shown[0], shown[1]), experts, theme, small=False)
            place(figure, axes, Margins(_left_of(axes), _BELOW, _BAR_BEGINS + 0.1, _ABOVE))
            _add_colorbar(figure, archive, theme)
        return png_of(figure)


def best_over_others(archive: ArchiveView, x: int, y: int) -> npt.NDArray[np.float64]:
    """(bins of y, bins of x) float64: the best quality over all other behaviours, NaN if empty."""
    grid = np.full((archive.axes[y].bins, archive.axes[x].bins), np.nan)
    for cell, elite in archive.cells.items():
        place = (cell[y], cell[x])
        grid[place] = np.fmax(grid[place], elite.scores[archive.task])
    return grid


def _draw_pair(
    axes: Axes,
    archive: ArchiveView,
    pair: tuple[int, int],
    experts: Sequence[ExpertPoint],
    theme: Theme,
    *,
    small: bool,
) -> None:
    across, up = archive.axes[pair[0]], archive.axes[pair[1]]
    grid = best_over_others(archive, *pair)
    axes.set_facecolor(theme.empty)
    axes.pcolormesh(
        across.edges,
        up.edges,
        grid,
        cmap=COLORMAP,
        vmin=0,
        vmax=1,
        edgecolors=theme.surface,
        linewidth=_gap(max(across.bins, up.bins), small=small),
        zorder=1,
    )
    axes.set_xlim(across.edges[0], across.edges[-1])
    axes.set_ylim(up.edges[0], up.edges[-1])
    axes.tick_params(length=0, pad=5)
    if not small:
        _grid_lines(axes, across, up, theme)
        label_bins(axes.xaxis, across)
        label_bins(axes.yaxis, up)
        axes.set_xlabel(f"{shortened(across.task)}  score")
        axes.set_ylabel(f"{shortened(up.task)}  score")
        axes.set_title(title_of(archive, "best score in each cell"))
        _write_scores(axes, archive, pair, grid)
        _mark_best(axes, archive, pair, theme)
        if not archive.cells:
            say_empty(axes, theme)
    for axis in axes.spines.values():
        axis.set_visible(False)
    mark_experts(axes, across, up, experts, small=small)


def _gap(bins: int, *, small: bool) -> float:
    """Width of the lines between cells, none where they would hide the cells."""
    if bins > 40 or (small and bins > 12):
        return 0.0
    return 0.3 if small or bins > 20 else 0.7


def _grid_lines(axes: Axes, across: BehaviourAxis, up: BehaviourAxis, theme: Theme) -> None:
    """Empty cells stay countable: hair lines along all edges, below the held cells."""
    gap = _gap(max(across.bins, up.bins), small=False)
    axes.vlines(across.edges, up.edges[0], up.edges[-1], colors=theme.surface, lw=gap, zorder=0.5)
    axes.hlines(
        up.edges, across.edges[0], across.edges[-1], colors=theme.surface, lw=gap, zorder=0.5
    )


def _write_scores(
    axes: Axes, archive: ArchiveView, pair: tuple[int, int], grid: npt.NDArray[np.float64]
) -> None:
    """Numbers in the cells where there is room for them."""
    across, up = archive.axes[pair[0]], archive.axes[pair[1]]
    if max(across.bins, up.bins) > _NUMBERED_BINS:
        return
    for (row, column), quality in np.ndenumerate(grid):
        if not np.isnan(quality):
            axes.text(
                (across.edges[column] + across.edges[column + 1]) / 2,
                (up.edges[row] + up.edges[row + 1]) / 2,
                f"{quality:.2f}",
                color="#10151c" if quality > 0.55 else "#ffffff",
                ha="center",
                va="center",
                fontsize=8,
            )


def _mark_best(axes: Axes, archive: ArchiveView, pair: tuple[int, int], theme: Theme) -> None:
    if not archive.cells:
        return
    cell, _ = archive.ranked()[0]
    across, up = archive.axes[pair[0]].edges, archive.axes[pair[1]].edges
    column, row = cell[pair[0]], cell[pair[1]]
    axes.add_patch(
        Rectangle(
            (across[column], up[row]),
            across[column + 1] - across[column],
            up[row + 1] - up[row],
            fill=False,
            edgecolor=theme.ink,
            linewidth=2,
            zorder=3,
            clip_on=False,
        )
    )


def _left_of(axes: Axes) -> float:
    """Inches that the labels left of a panel take: its ticks' and, upright, its name."""
    longest = max(len(label.get_text()) for label in axes.get_yticklabels())
    return 0.36 + 0.075 * longest


def _add_colorbar(figure: Figure, archive: ArchiveView, theme: Theme) -> None:
    scale = ScalarMappable(Normalize(0, 1), COLORMAP)
    beside = figure.add_axes((0, 0, 1, 1))
    width = figure.get_size_inches()[0]
    place(figure, beside, Margins(width - _BAR_BEGINS, _BELOW, _BAR_BEGINS - 0.15, _ABOVE))
    bar = figure.colorbar(scale, cax=beside)
    bar.set_label(f"{shortened(archive.task)}  score", color=theme.ink)
    bar.ax.tick_params(length=0)
    bar.outline.set_visible(False)


def _draw_bars(
    axes: Axes, archive: ArchiveView, experts: Sequence[ExpertPoint], theme: Theme
) -> None:
    """One behaviour: a bar for each held cell."""
    behaviour = archive.axes[0]
    edges = np.asarray(behaviour.edges)
    colours = mpl.colormaps[COLORMAP]
    for low, high in pairwise(edges):
        axes.axvspan(low, high, color=theme.empty, ec=theme.surface, lw=1, zorder=0)
    for (column,), elite in archive.cells.items():
        quality = elite.scores[archive.task]
        width = edges[column + 1] - edges[column]
        axes.bar(
            edges[column],
            max(quality, 0.006),
            width * 0.94,
            align="edge",
            color=colours(quality),
            zorder=2,
        )
        if behaviour.bins <= 2 * _NUMBERED_BINS:
            axes.text(
                edges[column] + width * 0.47,
                quality + 0.012,
                f"{quality:.2f}",
                ha="center",
                va="bottom",
                fontsize=7.5,
                color=theme.ink,
                zorder=3,
            )
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, 1.06)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
    axes.tick_params(length=0)
    label_bins(axes.xaxis, behaviour)
    axes.set_xlabel(f"{shortened(behaviour.task)}  score")
    axes.set_ylabel(f"{shortened(archive.task)}  score")
    axes.set_title(title_of(archive, "best score in each cell"))
    own = type(behaviour)(archive.task, (0.0, 1.06))
    mark_experts(axes, behaviour, own, experts, small=False)
    if not archive.cells:
        say_empty(axes, theme)


def _draw_single(archive: ArchiveView, experts: Sequence[ExpertPoint], theme: Theme) -> bytes:
    """No behaviour: the one elite beside the experts."""
    rows = [
        (shortened(e.name), e.scores[archive.task]) for e in experts if archive.task in e.scores
    ]
    rows.sort(key=lambda row: row[1])
    if len(rows) > 2 * NAMED_EXPERTS:
        rows = rows[-2 * NAMED_EXPERTS :]
    held = [elite.scores[archive.task] for elite in archive.cells.values()]
    rows += [("best member", quality) for quality in held]
    with drawing(theme, 4.8, 1.5 + 0.34 * len(rows)) as figure:
        axes = figure.subplots()
        colours = mpl.colormaps[COLORMAP]
        for position, (_, quality) in enumerate(rows):
            best = bool(held) and position == len(rows) - 1
            axes.barh(position, 1, color=theme.empty, height=0.7)
            axes.barh(
                position,
                quality,
                color=colours(quality),
                height=0.7,
                edgecolor=theme.ink if best else "none",
                linewidth=2 if best else 0,
            )
            axes.text(1.015, position, f"{quality:.3f}", va="center", fontsize=8.5)
        axes.set_yticks(range(len(rows)), [name for name, _ in rows])
        axes.set_xlim(0, 1)
        axes.set_xlabel(f"{shortened(archive.task)}  score")
        axes.set_title(title_of(archive, "the archive's one cell"))
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        if not rows:
            axes.set_ylim(-1, 1)
            say_empty(axes, theme)
        return png_of(figure)


def _draw_matrix(archive: ArchiveView, experts: Sequence[ExpertPoint], theme: Theme) -> bytes:
    """Many behaviours: all pairs as small panels, below the diagonal of a matrix."""
    count = len(archive.axes)
    side = max(6.0, 1.15 * (count - 1) + 1.4)
    with drawing(theme, side, side * 0.94) as figure:
        panels = figure.subplots(count - 1, count - 1, squeeze=False, sharex="col", sharey="row")
        for row in range(count - 1):
            for column in range(count - 1):
                axes = panels[row][column]
                if column > row:
                    axes.set_visible(False)
                    continue
                _draw_pair(axes, archive, (column, row + 1), experts, theme, small=True)
                across, up = archive.axes[column], archive.axes[row + 1]
                axes.set_xticks([across.edges[0], across.edges[-1]])
                axes.set_yticks([up.edges[0], up.edges[-1]])
                axes.xaxis.set_major_formatter("{x:.2f}")
                axes.yaxis.set_major_formatter("{x:.2f}")
                axes.tick_params(labelsize=6.5)
                if row == count - 2:
                    axes.set_xlabel(shortened(across.task, 14), fontsize=8)
                if column == 0:
                    axes.set_ylabel(shortened(up.task, 14), fontsize=8)
        scale = ScalarMappable(Normalize(0, 1), COLORMAP)
        bar = figure.colorbar(scale, ax=panels.ravel().tolist(), fraction=0.03, pad=0.01, aspect=40)
        bar.set_label(f"{shortened(archive.task)}  score", color=theme.ink)
        bar.outline.set_visible(False)
        figure.suptitle(
            f"{shortened(archive.task, 40)}: best score in each cell, for every pair of behaviours",
            x=0.02, ha="left", fontsize=11, fontweight="bold",
        )  # fmt: skip
        return png_of(figure)
