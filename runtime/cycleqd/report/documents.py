"""From a run's documents to what a report shows of them: nothing is read here."""

from __future__ import annotations

from cycleqd.evolution.archive import Axis
from cycleqd.records.documents import ArchiveDocument
from cycleqd.records.final_table import SummaryDocument
from cycleqd.report.data import (
    ArchiveView,
    BehaviourAxis,
    Elite,
    HistoryRow,
    RowKind,
    TableRow,
)

_KINDS: dict[str, RowKind] = {
    "base": "base",
    "expert": "expert",
    "uniform-merge": "baseline",
    "best-of-task": "member",
    "balanced": "member",
    "aggregate": "aggregate",
    "published": "member",
}


def history_row(document: ArchiveDocument) -> HistoryRow:
    """What a curve shows of a commit."""
    return HistoryRow(
        generation=document.generation,
        evaluations=document.evaluations,
        qd_score={t: archive.qd_score for t, archive in document.archives.items()},
        coverage={t: archive.coverage for t, archive in document.archives.items()},
        best={t: archive.best for t, archive in document.archives.items()},
    )


def archive_views(document: ArchiveDocument, tasks: tuple[str, ...]) -> tuple[ArchiveView, ...]:
    """The archives of a commit, in the order of the tasks."""
    axes = {
        task: BehaviourAxis(task, Axis(task, record.lower, record.upper, record.bins).edges)
        for task, record in document.axes.items()
    }
    return tuple(
        ArchiveView(
            task=task,
            axes=tuple(axes[other] for other in tasks if other != task),
            cells={
                member.cell: Elite(member.candidate, member.scores)
                for member in document.archives[task].members
            },
        )
        for task in tasks
    )


def table_rows(summary: SummaryDocument | None) -> tuple[TableRow, ...]:
    """The rows of a final table, none before there is one."""
    return tuple(
        TableRow(
            name=row.name,
            kind=_KINDS[row.kind],
            scores=row.test,
            mean=row.mean,
            minimum=row.minimum,
            standard_error=row.standard_error,
            difference=row.gain,
            difference_error=row.gain_error,
            candidate=row.candidate,
        )
        for row in (summary.rows if summary is not None else ())
    )
