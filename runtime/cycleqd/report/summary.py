"""What the page says in words and numbers, decided from the data alone.

The headline is careful: a difference is called a gain or a loss only when it is larger than twice
its standard error, and what is still missing is said.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from cycleqd.report.data import ArchiveView, ReportData, TableRow

_NONE = "\N{EN DASH}"
_MOST_MEMBERS = 12
_MOST_FAILURES = 20


@dataclass(frozen=True)
class Tile:
    """A number at the head of the page."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class TableCell:
    """A number of the final table.

    Attributes:
        text: the number.
        best: whether it is the highest of its column.
        error: its standard error, as text.
        share: how long its bar is, in [0, 1].
        trend: ``up`` or ``down`` where it differs from nothing by more than the noise.
    """

    text: str
    best: bool = False
    error: str = ""
    share: float = 0.0
    trend: str = ""


@dataclass(frozen=True)
class TableLine:
    """A row of the final table as it is shown."""

    name: str
    kind: str
    candidate: str | None
    scores: tuple[TableCell, ...]
    mean: TableCell
    minimum: TableCell
    difference: TableCell


@dataclass(frozen=True)
class MemberLine:
    """A member of an archive as it is listed."""

    candidate: str
    quality: str
    behaviours: tuple[str, ...]


@dataclass(frozen=True)
class FailureSummary:
    """Failed candidates by cause, and the first of them."""

    causes: tuple[tuple[str, int], ...]
    shown: tuple[tuple[str, str, str], ...]
    hidden: int


def headline(data: ReportData) -> str:
    """The model to take and what it is worth, in a sentence or two.

    The choice was made on the search items; the held-out items only say how good it is.
    """
    run, choice = data.run, data.recommendation
    if not data.archives or not any(archive.cells for archive in data.archives):
        return "No candidate has been evaluated yet."
    if choice is None:
        return "No model of the search could be evaluated on the held-out items."
    reason = f"its geometric mean on the search items is {choice.balance:.1%}"
    if choice.unseen is not None:
        reason += f", on those that nobody was trained on {choice.unseen:.1%}"
    if not data.table:
        share = f"generation {run.generation} of {run.generations}"
        return (
            f"So far the model to take is the {choice.name}, {choice.candidate}: {reason}. The run "
            f"is at {share}. The held-out table follows when it is complete."
        )
    sentence = f"The model to take is the {choice.name}, {choice.candidate}: {reason}"
    row = next((row for row in data.table if row.candidate == choice.candidate), None)
    if row is None:
        return f"{sentence}."
    sentence += f". It solves {row.mean:.1%} of the held-out items{_error(row.standard_error)}"
    return f"{sentence}." if row.difference is None else f"{sentence}, {_compared(row)}."


def export_command(data: ReportData) -> str | None:
    """The command that writes the model to take; None before there is one."""
    choice = data.recommendation
    if choice is None:
        return None
    store = shlex.quote(data.run.store) if data.run.store else "STORE"
    candidate = shlex.quote(choice.candidate)
    return f"cycleqd export {store} --member {candidate} --out {candidate}"


def _error(error: float | None) -> str:
    return "" if error is None else f" (±\N{NO-BREAK SPACE}{error:.1%})"


def _compared(row: TableRow) -> str:
    difference = row.difference or 0.0
    points = f"{abs(100 * difference):.1f} points{_error_points(row.difference_error)}"
    if row.difference_error is not None and abs(difference) <= 2 * row.difference_error:
        direction = "above" if difference >= 0 else "below"
        return f"{points} {direction} the uniform merge, which is within the noise"
    if difference == 0:
        return "just as many as the uniform merge"
    return f"{points} {'above' if difference > 0 else 'below'} the uniform merge"


def _error_points(error: float | None) -> str:
    return "" if error is None else f" (±\N{NO-BREAK SPACE}{100 * error:.1f})"


def tiles(data: ReportData) -> list[Tile]:
    """The numbers at the head of the page."""
    run = data.run
    held = sum(len(archive.cells) for archive in data.archives)
    cells = sum(archive.cell_count for archive in data.archives)
    unique = {e.candidate for archive in data.archives for e in archive.cells.values()}
    state = "complete" if run.complete else "running or interrupted"
    early = f"{run.stopped:,} stopped early, " if run.stopped else ""
    return [
        Tile("Generation", f"{max(run.generation, 0)} / {run.generations}", state),
        Tile("Evaluations", f"{run.evaluations:,}", early + f"{len(data.failures)} failed"),
        Tile("Members", f"{len(unique):,}", f"in {held:,} cells"),
        Tile("Coverage", f"{held / cells:.1%}" if cells else _NONE, f"of {cells:,} cells"),
    ]


def facts(data: ReportData) -> list[tuple[str, str]]:
    """What identifies the run, as pairs of label and value."""
    run = data.run
    pairs = [
        ("Run", run.run_id),
        ("Store", run.store),
        ("Base model", run.base),
        ("Experts", ", ".join(expert.name for expert in data.experts)),
        ("Strategy", run.strategy),
        ("Engine", run.engine),
        ("Seed", str(run.seed)),
        *run.details,
    ]
    return [(label, value) for label, value in pairs if value]


def table_lines(rows: Sequence[TableRow], tasks: Sequence[str]) -> list[TableLine]:
    """The final table with the best of each column marked."""
    if not rows:
        return []
    best_of = {
        task: max((row.scores[task] for row in rows if task in row.scores), default=2.0)
        for task in tasks
    }
    best_mean = max(row.mean for row in rows)
    best_minimum = max(row.minimum for row in rows)

    def score(row: TableRow, task: str) -> TableCell:
        value = row.scores.get(task)
        if value is None:
            return TableCell(_NONE)
        return TableCell(f"{value:.3f}", best=value == best_of[task], share=value)

    return [
        TableLine(
            name=row.name,
            kind=row.kind,
            candidate=row.candidate if row.candidate != row.name else None,
            scores=tuple(score(row, task) for task in tasks),
            mean=TableCell(
                f"{row.mean:.3f}",
                best=row.mean == best_mean,
                error="" if row.standard_error is None else f"± {row.standard_error:.3f}",
                share=row.mean,
            ),
            minimum=TableCell(
                f"{row.minimum:.3f}",
                best=row.minimum == best_minimum and best_minimum > 0,
                share=row.minimum,
            ),
            difference=_difference(row),
        )
        for row in rows
    ]


def _difference(row: TableRow) -> TableCell:
    if row.difference is None:
        return TableCell(_NONE)
    error = "" if row.difference_error is None else f"± {row.difference_error:.3f}"
    trend = ""
    if abs(row.difference) > 2 * (row.difference_error or 0.0):
        trend = "up" if row.difference > 0 else "down"
    return TableCell(f"{row.difference:+.3f}", error=error, trend=trend)


def member_lines(archive: ArchiveView) -> list[MemberLine]:
    """The best members of an archive, best first."""
    return [
        MemberLine(
            candidate=elite.candidate,
            quality=f"{elite.scores[archive.task]:.3f}",
            behaviours=tuple(
                f"{elite.scores[axis.task]:.3f}" if axis.task in elite.scores else _NONE
                for axis in archive.axes
            ),
        )
        for _, elite in archive.ranked()[:_MOST_MEMBERS]
    ]


def failure_summary(data: ReportData) -> FailureSummary | None:
    """Failed candidates by cause; None where there are none."""
    if not data.failures:
        return None
    causes = Counter(failure.cause for failure in data.failures)
    return FailureSummary(
        causes=tuple(sorted(causes.items(), key=lambda item: (-item[1], item[0]))),
        shown=tuple((f.candidate, f.cause, f.message) for f in data.failures[:_MOST_FAILURES]),
        hidden=max(0, len(data.failures) - _MOST_FAILURES),
    )
