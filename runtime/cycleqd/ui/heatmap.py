"""An archive as cells to draw: which elite shows where, in which colour. Geometry only.

Any two of an archive's axes span the picture; over the other axes a cell shows the best elite. An
axis of many bins is shown in groups of them, again by the best elite, so that cells stay large
enough to be seen and hit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from cycleqd.report.data import ArchiveView, BehaviourAxis, Elite
from cycleqd.ui.chart import Tick

MOST_GROUPS = 40
_WIDTH, _HEIGHT = 480.0, 408.0
_LEFT, _TOP, _RIGHT, _BOTTOM = 64.0, 6.0, 6.0, 52.0

_VIRIDIS = (
    (68, 1, 84), (71, 44, 122), (59, 81, 139), (44, 113, 142), (33, 144, 141), (39, 173, 129),
    (92, 200, 99), (170, 220, 50), (253, 231, 37),
)  # fmt: skip
"""As the report's pictures; readable by colour-blind people and in grey."""


def colour(score: float) -> str:
    """Of a score from 0 to 1."""
    place = min(max(score, 0.0), 1.0) * (len(_VIRIDIS) - 1)
    low = min(int(place), len(_VIRIDIS) - 2)
    share = place - low
    mixed = (round(a + share * (b - a)) for a, b in zip(*_VIRIDIS[low : low + 2], strict=True))
    return "#{:02x}{:02x}{:02x}".format(*mixed)


@dataclass(frozen=True)
class Square:
    """A cell that holds an elite.

    Attributes:
        name: of the cell in the picture, for keyboards to come back to.
        column: from the left, from 0.
        row: from the bottom, from 0.
        x: left edge.
        y: upper edge.
        width: of the cell.
        height: of the cell.
        fill: its colour.
        candidate: the elite.
        text: what it is, in words.
    """

    name: str
    column: int
    row: int
    x: float
    y: float
    width: float
    height: float
    fill: str
    candidate: str
    text: str


@dataclass(frozen=True)
class Heatmap:
    """A picture of an archive.

    Attributes:
        task: whose score is the colour.
        across: the task of the horizontal axis, None where the run has a single task.
        up: the task of the vertical axis, None where there are fewer than three.
        hidden: the tasks of the other axes, over which the best is shown.
        squares: occupied cells, row by row from the bottom.
        columns: ticks of the horizontal axis.
        rows: ticks of the vertical axis.
        grouped: whether several bins share a cell of the picture.
        width: of the picture.
        height: of the picture.
        frame: left, upper edge, width and height of what the cells fill.
    """

    task: str
    across: str | None
    up: str | None
    hidden: tuple[str, ...]
    squares: tuple[Square, ...]
    columns: tuple[Tick, ...]
    rows: tuple[Tick, ...]
    grouped: bool
    width: float
    height: float
    frame: tuple[float, float, float, float]


@dataclass(frozen=True)
class _Side:
    """One axis of the picture in groups of bins; without an axis a single group."""

    axis: BehaviourAxis | None
    index: int

    @property
    def size(self) -> int:
        """Bins in a group."""
        return 1 if self.axis is None else -(-self.axis.bins // MOST_GROUPS)

    @property
    def count(self) -> int:
        """Groups."""
        return 1 if self.axis is None else -(-self.axis.bins // self.size)

    def group(self, cell: tuple[int, ...]) -> int:
        return 0 if self.axis is None else cell[self.index] // self.size

    def edges(self) -> list[float]:
        """Scores at the edges of the groups."""
        if self.axis is None:
            return [0.0, 1.0]
        return [*self.axis.edges[: -1 : self.size], self.axis.edges[-1]]

    def said(self, group: int) -> str:
        """The range of scores of a group, in words."""
        if self.axis is None:
            return ""
        low, high = list(pairwise(self.edges()))[group]
        return f"{self.axis.task} {low:.2f} to {high:.2f}"


def heatmap(archive: ArchiveView, x: int = 0, y: int = 1) -> Heatmap:
    """The picture of two axes.

    Args:
        archive: what is drawn.
        x: number of the horizontal axis.
        y: number of the vertical axis; another one.
    """
    across = _Side(archive.axes[x] if archive.axes else None, x)
    up = _Side(archive.axes[y] if len(archive.axes) > 1 else None, y)
    best: dict[tuple[int, int], Elite] = {}
    for cell, elite in archive.ranked():
        best.setdefault((up.group(cell), across.group(cell)), elite)
    height = _HEIGHT if up.axis is not None else 120.0
    frame = (_LEFT, _TOP, _WIDTH - _LEFT - _RIGHT, height - _TOP - _BOTTOM)
    wide, high = frame[2] / across.count, frame[3] / up.count
    squares = []
    for (row, column), elite in sorted(best.items()):
        score = elite.scores[archive.task]
        where = [said for said in (across.said(column), up.said(row)) if said]
        squares.append(
            Square(
                name=f"cell-{column}-{row}",
                column=column,
                row=row,
                x=_LEFT + column * wide,
                y=_TOP + (up.count - 1 - row) * high,
                width=wide,
                height=high,
                fill=colour(score),
                candidate=elite.candidate,
                text=f"{elite.candidate}: {archive.task} {score:.3f}"
                + (f", at {' and '.join(where)}" if where else ""),
            )
        )
    shown = {side.axis.task for side in (across, up) if side.axis is not None}
    return Heatmap(
        task=archive.task,
        across=None if across.axis is None else across.axis.task,
        up=None if up.axis is None else up.axis.task,
        hidden=tuple(axis.task for axis in archive.axes if axis.task not in shown),
        squares=tuple(squares),
        columns=_ticks(across, lambda share: _LEFT + share * frame[2]),
        rows=_ticks(up, lambda share: _TOP + (1 - share) * frame[3]),
        grouped=across.size > 1 or up.size > 1,
        width=_WIDTH,
        height=height,
        frame=frame,
    )


def _ticks(side: _Side, place: Callable[[float], float]) -> tuple[Tick, ...]:
    if side.axis is None:
        return ()
    edges = side.edges()
    step = -(-side.count // 5)
    chosen = [*range(0, side.count, step), side.count]
    if len(chosen) > 2 and chosen[-1] - chosen[-2] < step:
        del chosen[-2]
    return tuple(Tick(place(n / side.count), f"{edges[n]:.2f}") for n in chosen)
