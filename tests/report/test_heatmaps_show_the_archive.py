"""A heatmap has a cell's colour where an elite is and the empty colour where none is, for any K."""

from __future__ import annotations

from math import comb

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_hex

from cycleqd.report.data import ArchiveView, BehaviourAxis, Elite, ExpertPoint
from cycleqd.report.heatmaps import best_over_others, draw_heatmap, heatmaps_of
from cycleqd.report.theme import COLORMAP, DARK, LIGHT, Theme

from .pictures import pixels, share_of
from .sample import sample

X = BehaviourAxis("x", (0.0, 0.25, 0.5, 0.75, 1.0))
Y = BehaviourAxis("y", (0.0, 0.25, 0.5, 0.75, 1.0))
Z = BehaviourAxis("z", (0.0, 0.5, 1.0))


def elite(q: float, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Elite:
    return Elite(f"c-{q}", {"q": q, "x": x, "y": y, "z": z})


def colour_of(quality: float) -> str:
    return to_hex(mpl.colormaps[COLORMAP](quality))


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
@pytest.mark.parametrize("tasks", [1, 2, 3, 4, 6])
def test_every_number_of_tasks_is_drawn(tasks: int, theme: Theme) -> None:
    data = sample(tasks, bins=5, evaluations=40)
    archive = data.archives[0]
    maps = heatmaps_of(archive)
    pairs = comb(tasks - 1, 2)
    assert len(maps) == (pairs if 1 < pairs <= 6 else 1)
    picture = pixels(draw_heatmap(archive, maps[0], data.experts, theme))
    assert min(picture.shape[:2]) > 200
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 50
    assert share_of(picture, theme.surface) > 0.1


def test_cells_have_the_colour_of_their_quality() -> None:
    archive = ArchiveView("q", (X, Y), {(0, 0): elite(0.3), (3, 2): elite(0.9)})
    (heatmap,) = heatmaps_of(archive)
    picture = pixels(draw_heatmap(archive, heatmap, (), LIGHT))
    cell = share_of(picture, LIGHT.empty) / 14
    assert cell > 0.01
    for quality in (0.3, 0.9):
        assert share_of(picture, colour_of(quality)) == pytest.approx(cell, rel=0.25)
    assert share_of(picture, colour_of(0.6)) < cell / 10


def test_rows_and_columns_are_not_exchanged() -> None:
    archive = ArchiveView("q", (X, Y), {(3, 0): elite(0.9)})
    (heatmap,) = heatmaps_of(archive)
    picture = pixels(draw_heatmap(archive, heatmap, (), LIGHT))
    wanted = [int(colour_of(0.9)[i : i + 2], 16) for i in (1, 3, 5)]
    colourbar_starts = int(picture.shape[1] * 0.84)
    rows, columns = np.nonzero((picture[:, :colourbar_starts] == wanted).all(axis=-1))
    assert rows.mean() > picture.shape[0] / 2, "low y belongs to the bottom"
    assert columns.mean() > picture.shape[1] / 2, "high x belongs to the right"


def test_a_pair_shows_the_best_over_the_other_behaviours() -> None:
    cells = {(1, 2, 0): elite(0.4), (1, 2, 1): elite(0.7), (0, 0, 1): elite(0.2)}
    archive = ArchiveView("q", (X, Y, Z), cells)
    grid = best_over_others(archive, 0, 1)
    assert grid.shape == (4, 4)
    assert grid[2, 1] == 0.7
    assert grid[0, 0] == 0.2
    assert np.isnan(grid).sum() == 14
    assert best_over_others(archive, 2, 0).shape == (4, 2)


def test_experts_are_marked_even_beyond_the_axes() -> None:
    archive = ArchiveView("q", (X, Y), {})
    (heatmap,) = heatmaps_of(archive)
    without = pixels(draw_heatmap(archive, heatmap, (), LIGHT))
    for scores in ({"x": 0.4, "y": 0.6}, {"x": 1.5, "y": -0.5}):
        expert = ExpertPoint("e", scores)
        marked = pixels(draw_heatmap(archive, heatmap, (expert,), LIGHT))
        assert marked.shape == without.shape
        assert (marked != without).any(axis=-1).mean() > 0.0005


def test_equal_data_gives_equal_bytes() -> None:
    data = sample(3, bins=5, evaluations=24)
    heatmap = heatmaps_of(data.archives[0])[0]
    first, second = (draw_heatmap(data.archives[0], heatmap, data.experts, DARK) for _ in "ab")
    assert first == second
    assert b"tEXt" not in first
    assert b"tIME" not in first
