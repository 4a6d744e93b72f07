"""Curves as geometry: places of lines, ticks and grid for an inline SVG picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

_WIDTH, _HEIGHT = 460.0, 282.0
_LEFT, _TOP, _RIGHT, _BOTTOM = 48.0, 10.0, 14.0, 52.0
SERIES = 8
"""Colours of the style sheet; further lines repeat them with another dash."""


@dataclass(frozen=True)
class Series:
    """A named line: pairs of evaluations and value, in their order."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Line:
    """A line of the picture.

    Attributes:
        name: whose it is.
        path: of an SVG path; a step wherever a value changes.
        colour: number of its colour.
        dashed: whether it repeats a colour.
        last: its last value.
    """

    name: str
    path: str
    colour: int
    dashed: bool
    last: str


@dataclass(frozen=True)
class Tick:
    """A number at an axis."""

    place: float
    text: str


@dataclass(frozen=True)
class Chart:
    """A picture of curves; ``frame`` is the left, upper edge, width and height of the plot."""

    title: str
    lines: tuple[Line, ...]
    columns: tuple[Tick, ...]
    rows: tuple[Tick, ...]
    width: float
    height: float
    frame: tuple[float, float, float, float]


def chart(title: str, series: Sequence[Series], *, percent: bool = False) -> Chart:
    """Draw values over evaluations.

    Args:
        title: what is drawn.
        series: the lines.
        percent: whether values are shares.
    """
    points = [point for one in series for point in one.points]
    widest = _round_up(max((x for x, _ in points), default=1.0))
    highest = _round_up(max((y for _, y in points), default=1.0))
    frame = (_LEFT, _TOP, _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM)

    def at(x: float, y: float) -> tuple[float, float]:
        return _LEFT + x / widest * frame[2], _TOP + (1 - y / highest) * frame[3]

    lines = tuple(
        Line(
            name=one.name,
            path=_steps([at(*point) for point in one.points]),
            colour=number % SERIES,
            dashed=number >= SERIES,
            last=_number(one.points[-1][1], percent=percent) if one.points else "",
        )
        for number, one in enumerate(series)
    )
    across = [widest * n / 4 for n in range(5)]
    up = [highest * n / 4 for n in range(5)]
    return Chart(
        title=title,
        lines=lines,
        columns=tuple(Tick(at(x, 0)[0], f"{x:,.0f}") for x in across),
        rows=tuple(Tick(at(0, y)[1], _number(y, percent=percent)) for y in up),
        width=_WIDTH,
        height=_HEIGHT,
        frame=frame,
    )


def _steps(places: Sequence[tuple[float, float]]) -> str:
    if not places:
        return ""
    (x, y), *others = places
    return f"M{x:.1f} {y:.1f}" + "".join(f"H{x:.1f}V{y:.1f}" for x, y in others)


def _number(value: float, *, percent: bool) -> str:
    return f"{value:.0%}" if percent else f"{value:,.4g}"


def _round_up(value: float) -> float:
    """The next of 1, 2, 4, 8 times a power of ten, so that quarters are short numbers."""
    if value <= 0:
        return 1.0
    power = 10.0 ** floor(log10(value))
    return float(
        next(m * power for m in (1, 2, 4, 8, 10, 20) if ceil(1e6 * m * power) >= 1e6 * value)
    )
