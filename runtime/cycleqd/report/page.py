"""The page: one HTML file that needs nothing else, not even scripts.

Names and messages come from users, checkpoints and generated code, so the template escapes
everything; only pictures that this package drew are inserted as they are. A content security
policy in the page forbids browsers to load anything from anywhere.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from cycleqd.report import summary
from cycleqd.report.data import ArchiveView, ReportData
from cycleqd.report.knowledge import KnowledgeLines, knowledge_lines
from cycleqd.report.life import LINES, life_lines
from cycleqd.report.theme import DARK, LIGHT, Theme
from cycleqd.version import __version__


@dataclass(frozen=True)
class Picture:
    """A picture in both appearances.

    Attributes:
        title: what it shows, also its alternative text.
        light: PNG on a light background.
        dark: PNG on a dark background.
        note: a sentence below it.
    """

    title: str
    light: bytes
    dark: bytes
    note: str = ""

    @property
    def light_uri(self) -> str:
        """The light picture as a data URI."""
        return _data_uri(self.light)

    @property
    def dark_uri(self) -> str:
        """The dark picture as a data URI."""
        return _data_uri(self.dark)


@dataclass(frozen=True)
class ArchiveSection:
    """An archive's part of the page."""

    view: ArchiveView
    pictures: tuple[Picture, ...]
    members: tuple[summary.MemberLine, ...]


@dataclass(frozen=True)
class FamilySection:
    """A lineage's part of the page; ``svg`` is markup that this package drew."""

    title: str
    candidate: str
    svg: str
    total: int

    @property
    def markup(self) -> Markup:
        """The picture, inserted without escaping: `cycleqd.report.lineage` escaped its texts."""
        return Markup(self.svg)  # noqa: S704 - drawn by this package, texts escaped there


@dataclass(frozen=True)
class KnowledgeSection:
    """What the swarm knows of one task; its curve is markup that this package drew of numbers."""

    lines: KnowledgeLines

    @property
    def markup(self) -> Markup:
        """The curve, inserted without escaping: it holds no text from elsewhere."""
        return Markup(self.lines.svg)  # noqa: S704 - drawn by this package, of numbers alone


def render_page(
    data: ReportData,
    archives: tuple[ArchiveSection, ...],
    curves: tuple[Picture, ...],
    accuracies: tuple[Picture, ...],
    families: tuple[FamilySection, ...],
) -> str:
    """The HTML text."""
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            data=data,
            headline=summary.headline(data),
            command=summary.export_command(data),
            tiles=summary.tiles(data),
            facts=summary.facts(data),
            table=summary.table_lines(data.table, data.tasks),
            archives=archives,
            curves=curves,
            life=None if data.life is None else life_lines(data.life),
            life_lines=tuple(LINES.values()),
            accuracies=accuracies,
            families=families,
            knowledge=[KnowledgeSection(knowledge_lines(known)) for known in data.knowledge],
            failures=summary.failure_summary(data),
            light=_variables(LIGHT),
            dark=_variables(DARK),
            version=__version__,
        )
    )


def style_sheet() -> str:
    """The style of the page, which follows light and dark; for other pages too."""
    template = _environment().get_template("style.css.j2")
    return template.render(light=_variables(LIGHT), dark=_variables(DARK))


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("cycleqd.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _variables(theme: Theme) -> dict[str, str]:
    return {
        "surface": theme.surface,
        "ink": theme.ink,
        "muted": theme.muted,
        "line": theme.line,
        "empty": theme.empty,
    }


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
