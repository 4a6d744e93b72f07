"""The one way to a figure and from there to a PNG.

Figures are made without pyplot, so that nothing is global and a long-lived process leaks no
figures. Equal figures give equal bytes: fonts come with matplotlib, and no date or version is
written into the file.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from cycleqd.report.theme import Theme

DPI = 144


@contextmanager
def drawing(theme: Theme, width: float, height: float) -> Iterator[Figure]:
    """A figure of that size in inches whose defaults are the theme's."""
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
        figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure


def png_of(figure: Figure) -> bytes:
    """The figure as a PNG without dates or versions in it. Call it inside `drawing`."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()
