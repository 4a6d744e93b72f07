"""Runs side by side: a table, and curves of QD score and coverage against evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from typing import TYPE_CHECKING

from cycleqd.ui.chart import Chart, Series, chart

if TYPE_CHECKING:
    from cycleqd.report.data import HistoryRow
    from cycleqd.ui.views import RunLook

MOST_COMPARED = 8
_NONE = "\N{EN DASH}"


@dataclass(frozen=True)
class ComparedRow:
    """A line of the table: what it tells, with a text for each run and which of them are best."""

    name: str
    values: tuple[str, ...]
    best: tuple[bool, ...]


@dataclass(frozen=True)
class Comparison:
    """Runs side by side.

    Attributes:
        looks: the runs.
        rows: of the table.
        charts: QD score and coverage.
    """

    looks: tuple[RunLook, ...]
    rows: tuple[ComparedRow, ...]
    charts: tuple[Chart, ...]


def comparison(looks: Sequence[RunLook], histories: Sequence[Sequence[HistoryRow]]) -> Comparison:
    """Set runs side by side.

    Args:
        looks: the runs.
        histories: of each some generations, in their order.
    """
    tasks = tuple(dict.fromkeys(task for look in looks for task in look.tasks))
    plain = [
        _row("phase", [look.phase for look in looks]),
        _row("strategy", [look.strategy for look in looks]),
        _row("generation", [f"{max(0, k.generation)} / {k.generations}" for k in looks]),
        _row("evaluations", [f"{look.evaluations:,}" for look in looks]),
    ]
    numbers = [
        _numbers("coverage", [look.coverage for look in looks], "{:.1%}"),
        _numbers("QD score", [look.qd_score for look in looks], "{:.2f}"),
        *(
            _numbers(
                f"best {task}",
                [k.by_task[task].best if task in k.by_task else None for k in looks],
                "{:.3f}",
            )
            for task in tasks
        ),
        *_held_out(looks),
    ]
    series = [(look.id, rows) for look, rows in zip(looks, histories, strict=True)]
    return Comparison(
        looks=tuple(looks),
        rows=(*plain, *numbers),
        charts=(
            chart(
                "QD score, of all archives together",
                [
                    Series(name, tuple((r.evaluations, fsum(r.qd_score.values())) for r in rows))
                    for name, rows in series
                ],
            ),
            chart(
                "Coverage, mean over the archives",
                [
                    Series(name, tuple((r.evaluations, _mean(r.coverage)) for r in rows))
                    for name, rows in series
                ],
                percent=True,
            ),
        ),
    )


def _held_out(looks: Sequence[RunLook]) -> list[ComparedRow]:
    """The held-out mean of the models that final tables share, by the rows' names."""
    if not any(look.table for look in looks):
        return []
    means = [{row.name: row.mean for row in look.table} for look in looks]
    names = dict.fromkeys(name for found in means for name in found)
    shared = [name for name in names if sum(name in found for found in means) == len(looks)]
    return [
        _numbers(f"held out: {name}", [found.get(name) for found in means], "{:.3f}")
        for name in shared
    ]


def _mean(values: Mapping[str, float]) -> float:
    return fsum(values.values()) / len(values) if values else 0.0


def _row(name: str, values: Sequence[str]) -> ComparedRow:
    return ComparedRow(name, tuple(values), (False,) * len(values))


def _numbers(name: str, values: Sequence[float | None], form: str) -> ComparedRow:
    known = [value for value in values if value is not None]
    top = max(known, default=0.0)
    return ComparedRow(
        name,
        tuple(_NONE if value is None else form.format(value) for value in values),
        tuple(len(known) > 1 and value == top for value in values),
    )
