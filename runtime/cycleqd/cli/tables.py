"""Tables for people, and the sentence below the last one."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from rich.text import Text

from cycleqd.api.views import FinalRow
from cycleqd.cli.console import DataTable, data
from cycleqd.evolution.metrics import geometric_mean

UNTOLD = ("best-of-task", "balanced", "aggregate", "published")
"""Kinds of rows whose candidate is not told by the row's name."""


def final_table(rows: Sequence[FinalRow], tasks: Sequence[str]) -> DataTable:
    """The held-out comparison: a row a model, best mean in bold."""
    table = DataTable(title="Held-out items", title_justify="left")
    table.add_column("model")  # whose candidate goes to a line of its own where space is short
    for task in tasks:
        table.add_column(task, justify="right", no_wrap=True)
    table.add_column("mean", justify="right", no_wrap=True)
    table.add_column("min", justify="right", no_wrap=True)
    table.add_column("vs uniform", justify="right", no_wrap=True)
    best = max((row.mean for row in rows), default=0.0)
    for row in rows:
        gain = "" if row.gain is None else f"{row.gain:+.3f} ± {row.gain_error or 0.0:.3f}"
        table.add_row(
            Text.assemble(data(row.name), " ", data(row.candidate, "dim"))
            if row.kind in UNTOLD
            else row.name,
            *(f"{row.scores[task]:.3f}" for task in tasks),
            f"{row.mean:.3f} ± {row.standard_error:.3f}",
            f"{row.minimum:.3f}",
            gain,
            style="bold" if row.mean == best else None,
        )
    return table


def model_to_take(row: FinalRow, store: str) -> list[str]:
    """The model that a user should take, and the command that writes it.

    Args:
        row: the one that is recommended.
        store: where the run is kept.
    """
    items = "search items that nobody was trained on" if row.unseen else "search items"
    what = (
        f"model to take: {row.name} {row.candidate}, geometric mean "
        f"{geometric_mean((row.unseen or row.search).values()):.3f} on the {items}, mean "
        f"{row.mean:.3f} ± {row.standard_error:.3f} on the held-out ones"
    )
    command = f"cycleqd export {shlex.quote(store)} --member {row.candidate} --out {row.candidate}"
    return [what, f"  {command}"]
