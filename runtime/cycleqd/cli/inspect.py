"""Commands that read a store: ``status``, ``list``, ``show``, ``report``, ``verify``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from cycleqd.cli.console import DataTable, print_json, print_note, print_result, print_table
from cycleqd.cli.reports import write_report
from cycleqd.cli.stores import JsonOption, StoreArgument, open_run
from cycleqd.cli.tables import summary_table
from cycleqd.errors import InputError
from cycleqd.run.members import Members, resolve_member
from cycleqd.run.verification import Verifier
from cycleqd.store.cache import cache_folder


def status(store: StoreArgument, as_json: JsonOption = False) -> None:
    """Where a run stands: generation, evaluations, coverage, QD score and best of each task.

    ``generation`` is the highest committed one, -1 before the experts are evaluated.
    """
    runs = open_run(store)
    position = runs.position()
    archive, summary = position.archive, position.summary
    spec = runs.latest().spec
    tasks = [task.name for task in spec.tasks]
    records = archive.archives if archive is not None else {}
    document: dict[str, Any] = {
        "runId": runs.run.run_id,
        "generation": position.generation,
        "generations": position.generations,
        "evaluations": archive.evaluations if archive is not None else 0,
        "failed": len(archive.failed) if archive is not None else 0,
        "complete": position.complete,
        "goalReached": position.goal_reached,
        "coverage": {task: records[task].coverage if records else 0.0 for task in tasks},
        "qdScore": {task: records[task].qd_score if records else 0.0 for task in tasks},
        "best": {task: records[task].best if records else 0.0 for task in tasks},
    }
    if as_json:
        print_json(document)
        return
    state = "complete" if position.complete else "not complete"
    if position.goal_reached and spec.goal is not None:
        state += f", goal {spec.goal.metric} {spec.goal.value:g} reached"
    print_result(
        f"{runs.run.run_id}: {state}, generation {position.generation} of {position.generations}, "
        f"{document['evaluations']} evaluations, {document['failed']} failed"
    )
    table = DataTable()
    for column in ("archive", "best", "coverage", "QD score"):
        table.add_column(column, justify="left" if column == "archive" else "right")
    for task in tasks:
        table.add_row(
            task,
            f"{document['best'][task]:.3f}",
            f"{document['coverage'][task]:.1%}",
            f"{document['qdScore'][task]:.2f}",
        )
    print_table(table)
    if summary is not None:
        print_table(summary_table(summary, tasks))


def list_members(
    store: StoreArgument,
    as_json: JsonOption = False,
    task: Annotated[str | None, typer.Option(help="Only this task's archive.")] = None,
) -> None:
    """Every member of every archive: candidate, cell and scores, best quality first."""
    runs = open_run(store)
    archive = runs.position().archive
    names = runs.latest().tasks
    if task is not None and task not in names:
        raise InputError(f"--task: no task {task!r}; the run has {', '.join(names)}")
    rows: list[dict[str, Any]] = [
        {"task": name, "candidate": m.candidate, "cell": list(m.cell), "scores": m.scores}
        for name in names
        if archive is not None and task in (None, name)
        for m in sorted(archive.archives[name].members, key=lambda m: (-m.scores[name], m.cell))
    ]
    if as_json:
        print_json(rows)
        return
    table = DataTable()
    for column in ("archive", "candidate", "cell"):
        table.add_column(column)
    for name in names:
        table.add_column(name, justify="right")
    for row in rows:
        cell = ",".join(str(number) for number in row["cell"])
        scores = [f"{row['scores'][name]:.3f}" for name in names]
        table.add_row(row["task"], row["candidate"], cell, *scores)
    print_table(table)


def show(
    store: StoreArgument,
    candidate: Annotated[str, typer.Argument(help="A candidate id, as `list` prints it.")],
    as_json: JsonOption = False,
) -> None:
    """One candidate: scores, parents, cells, and what its genome holds of each expert."""
    runs = open_run(store)
    candidate = resolve_member(runs, candidate)
    document = Members(runs).describe(candidate)
    if as_json:
        print_json(document)
        return
    for key, value in document.items():
        print_result(f"{key}: {value}")


def report(
    store: StoreArgument,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the report; STORE/report when absent.")
    ] = None,
) -> None:
    """Write the HTML report and the heatmaps, from what is stored now."""
    print_result(str(write_report(open_run(store), out)))


def verify(
    store: StoreArgument,
    weights: Annotated[
        bool,
        typer.Option(help="Also materialise every evaluated model and compare its digest (slow)."),
    ] = True,
) -> None:
    """Recompute every plan, archive and digest from the store; fail on the first that differs."""
    runs = open_run(store)
    digest_of = None
    if weights:
        from cycleqd.run.models import RunModels  # noqa: PLC0415 - torch

        models = RunModels(runs, cache_folder()).latest()

        def digest_of(candidate: str) -> str:
            return models.materializer.digest(models.stored_genome(candidate))

    verified = Verifier(runs, digest_of, lambda stage: print_note(f"verifying {stage}")).verify()
    parts = ", ".join(f"{count} {name}" for name, count in asdict(verified).items())
    print_result(f"{runs.run.run_id}: verified {parts}")
