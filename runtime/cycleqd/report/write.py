"""A report as files: ``report.html``, which needs no other, and the pictures beside it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from cycleqd.report.accuracy import draw_accuracy
from cycleqd.report.curves import CURVES, draw_curve
from cycleqd.report.data import ArchiveView, ReportData
from cycleqd.report.heatmaps import draw_heatmap, heatmaps_of
from cycleqd.report.life import LINES
from cycleqd.report.lineage import draw_lineage, plan_tree
from cycleqd.report.page import ArchiveSection, FamilySection, Picture, render_page
from cycleqd.report.summary import member_lines
from cycleqd.report.theme import DARK, LIGHT

_PAIR_NOTE = "Each cell shows the best over all cells of the behaviours that are not drawn."


@dataclass(frozen=True)
class ReportPaths:
    """Where the report is.

    Attributes:
        html: the page, complete in itself.
        heatmaps: by task, the pictures of its archive.
        curves: pictures of the progress.
        lineages: pictures of families, as SVG.
    """

    html: Path
    heatmaps: dict[str, tuple[Path, ...]]
    curves: tuple[Path, ...]
    lineages: tuple[Path, ...]


class _Names:
    """File names that are safe on any file system and differ even where letter case does not."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def __call__(self, name: str, suffix: str) -> str:
        stem = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:100] or "unnamed"
        unique, number = stem, 1
        while f"{unique}{suffix}".lower() in self._taken:
            number += 1
            unique = f"{stem}-{number}"
        self._taken.add(f"{unique}{suffix}".lower())
        return f"{unique}{suffix}"


def write_report(data: ReportData, out: Path) -> ReportPaths:
    """Write the page and the pictures into a folder.

    Files of an earlier report of the same run are replaced. Equal data gives equal bytes.

    Args:
        data: what to tell.
        out: the folder, made where it is missing.
    """
    out.mkdir(parents=True, exist_ok=True)
    names = _Names()
    sections = []
    heatmaps: dict[str, tuple[Path, ...]] = {}
    for archive in data.archives:
        section, paths = _write_archive(archive, data, out, names)
        sections.append(section)
        heatmaps[archive.task] = paths
    curves, curve_paths = [], []
    for curve in CURVES:
        light, dark = (draw_curve(curve, data.history, data.tasks, t) for t in (LIGHT, DARK))
        curves.append(Picture(curve.title, light, dark, curve.meaning))
        curve_paths.append(_write(out / names(f"history-{curve.name}", ".png"), light))
    accuracies = []
    if data.life is not None and data.life.steps:
        for line, title in LINES.items():
            light, dark = (draw_accuracy(data.life, line, theme) for theme in (LIGHT, DARK))
            accuracies.append(Picture(f"Held-out accuracy, {title}", light, dark))
            curve_paths.append(_write(out / names(f"history-accuracy-{line}", ".png"), light))
    families, lineage_paths = [], []
    for family in data.families:
        svg = draw_lineage(data.ancestors, family.candidate, data.tasks)
        total = plan_tree(data.ancestors, family.candidate).total
        families.append(FamilySection(family.title, family.candidate, svg, total))
        name = names(f"lineage-{family.candidate}", ".svg")
        lineage_paths.append(_write(out / name, svg.encode()))
    page = render_page(data, tuple(sections), tuple(curves), tuple(accuracies), tuple(families))
    return ReportPaths(
        html=_write(out / "report.html", page.encode("utf-8", "replace")),
        heatmaps=heatmaps,
        curves=tuple(curve_paths),
        lineages=tuple(lineage_paths),
    )


def _write_archive(
    archive: ArchiveView, data: ReportData, out: Path, names: _Names
) -> tuple[ArchiveSection, tuple[Path, ...]]:
    pictures, paths = [], []
    for heatmap in heatmaps_of(archive):
        light, dark = (draw_heatmap(archive, heatmap, data.experts, t) for t in (LIGHT, DARK))
        note = _PAIR_NOTE if len(archive.axes) > 2 else ""
        pictures.append(Picture(heatmap.title, light, dark, note))
        paths.append(_write(out / names(f"archive-{heatmap.name}", ".png"), light))
    return ArchiveSection(archive, tuple(pictures), tuple(member_lines(archive))), tuple(paths)


def _write(path: Path, content: bytes) -> Path:
    temporary = path.with_name(f".{path.name}.partial")
    temporary.write_bytes(content)
    temporary.replace(path)
    return path
