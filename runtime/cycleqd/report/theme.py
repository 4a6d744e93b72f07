"""Colours and names of all pictures, for light and dark pages; pages read them without drawing."""

from __future__ import annotations

from dataclasses import dataclass

COLORMAP = "viridis"
"""Readable by colour-blind people and in grey; the scale is always the score from 0 to 1."""

_LINE_STYLES = ("-", "--", ":", "-.")


@dataclass(frozen=True)
class Theme:
    """Colours of one appearance, the same as in the page's style sheet.

    Attributes:
        name: ``light`` or ``dark``.
        surface: background of a picture.
        ink: text and marks.
        muted: secondary text.
        line: grid and frames.
        empty: cells that nobody holds.
        series: one colour for each task, in turn.
    """

    name: str
    surface: str
    ink: str
    muted: str
    line: str
    empty: str
    series: tuple[str, ...]

    def series_style(self, index: int) -> tuple[str, str]:
        """Colour and line style of the task number ``index``; styles change once colours repeat."""
        count = len(self.series)
        return self.series[index % count], _LINE_STYLES[(index // count) % len(_LINE_STYLES)]


LIGHT = Theme(
    name="light",
    surface="#ffffff",
    ink="#1c2430",
    muted="#5b6675",
    line="#dfe3e8",
    empty="#eef1f4",
    series=("#0072b2", "#d55e00", "#00835f", "#b5578f", "#b97e00", "#3f97c9", "#7b5ea7", "#666666"),
)
DARK = Theme(
    name="dark",
    surface="#1a2028",
    ink="#e6eaf0",
    muted="#9aa6b5",
    line="#323c49",
    empty="#252d38",
    series=("#5aaeff", "#ff9257", "#36c99c", "#e79ac8", "#ffc457", "#9ad7ff", "#b99df0", "#b5b5b5"),
)
THEMES = (LIGHT, DARK)


def shortened(name: str, limit: int = 32) -> str:
    """A name that fits and can be drawn: its middle left out, unprintable characters replaced."""
    name = "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name
    )
    if len(name) <= limit:
        return name
    head = (limit - 1) // 2
    return f"{name[:head]}…{name[len(name) - (limit - 1 - head) :]}"
