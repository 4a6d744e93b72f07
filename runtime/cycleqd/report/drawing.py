"""The one way to a figure and from there to a PNG.

Figures are made without pyplot, so that nothing is global and a long-lived process leaks no
figures. Equal figures give equal bytes: fonts come with matplotlib, and no date or version is
written into the file.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cycleqd.report.theme import Theme

DPI = 144


@dataclass(frozen=True)
class Margins:
    """Inches that a figure leaves around its one panel, for titles, ticks and labels."""

    left: float
    bottom: float
    right: float
    top: float


@contextmanager
def drawing(theme: Theme, width: float, height: float, *, fixed: bool = False) -> Iterator[Figure]:
    """A figure of that size in inches whose defaults are the theme's.

    Args:
        theme: its colours.
        width: in inches.
        height: in inches.
        fixed: whether its panels are placed by `place`, not by what their labels need. To measure
            every label takes as long as to draw the picture.
    """
    settings = {
        "axes.edgecolor": theme.line,
        "axes.facecolor": theme.surface,
        "axes.labelcolor": theme.ink,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlesize": 11,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "figure.facecolor": theme.surface,
        "font.family": "DejaVu Sans",
        "font.size": 9.5,
        "grid.color": theme.line,
        "hatch.color": theme.line,
        "legend.frameon": False,
        "text.color": theme.ink,
        # Names are text, never formulas: a '$' must not start one.
        "text.parse_math": False,
        "xtick.color": theme.muted,
        "ytick.color": theme.muted,
    }
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(settings)
        figure = Figure(figsize=(width, height), dpi=DPI, layout=None if fixed else "constrained")
        yield figure


def place(figure: Figure, axes: Axes, margins: Margins) -> None:
    """Put a panel into its figure, with these margins around it."""
    width, height = figure.get_size_inches()
    axes.set_position(
        (
            margins.left / width,
            margins.bottom / height,
            1 - (margins.left + margins.right) / width,
            1 - (margins.bottom + margins.top) / height,
        )
    )


def png_of(figure: Figure) -> bytes:
    """The figure as a PNG without dates or versions in it. Call it inside `drawing`."""
    buffer = io.BytesIO()
    # `Figure.savefig` draws twice, the first time in case a format could not measure text.
    FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()
