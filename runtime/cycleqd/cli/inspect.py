"""Commands that read a store: ``status``, ``list``, ``show``, ``report``, ``verify``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cycleqd.api.run import open_run
from cycleqd.cli.console import DataTable, print_json, print_note, print_result, print_table
from cycleqd.cli.stores import JsonOption, StoreArgument, open_run_store
from cycleqd.cli.tables import final_table, model_to_take
from cycleqd.errors import InputError
from cycleqd.run.members import Members, resolve_member
from cycleqd.run.verification import Verifier
from cycleqd.store.cache import cache_folder


def status(store: StoreArgument, as_json: JsonOption = False) -> None:
    """Where a run stands: generation, evaluations, coverage, QD score and best of each task.

    ``generation`` is the highest committed one, -1 before the experts are evaluated.
    """
    run = open_run(store)
    status = run.status()
    tasks, now = status.tasks, status.revisiting
    if as_json:
        print_json(
            {
                "runId": status.run_id,
                "revision": status.revision,
                "generation": status.generation,
                "generations": status.generations,
                "evaluations": status.evaluations,
                "failed": status.failed,
                "stopped": status.stopped,
                "complete": status.complete,
                "goalReached": status.goal_reached,
                "revisiting": None if now is None else asdict(now),
                "coverage": {task: archive.coverage for task, archive in tasks.items()},
                "qdScore": {task: archive.qd_score for task, archive in tasks.items()},
                "best": {task: archive.best for task, archive in tasks.items()},
            }
        )
        return
    state = "complete" if status.complete else "not complete"
    goal = run.manifest.spec.goal
    if status.goal_reached and goal is not None:
        state += f", goal {goal.metric} {goal.value:g} reached"
    print_result(
        f"{status.run_id}: {state}, generation {status.generation} of {status.generations}, "
        f"{status.evaluations} evaluations, {status.failed} failed"
        + (f", {status.stopped} stopped early" if status.stopped else "")
    )
    if now is not None:
        print_result(
            f"generation {now.generation}: {now.who} join; {now.done} of {now.of} models evaluated"
        )
    table = DataTable()
    for column in ("archive", "best", "coverage", "QD score"):
        table.add_column(column, justify="left" if column == "archive" else "right")
    for task, archive in tasks.items():
        table.add_row(
            task, f"{archive.best:.3f}", f"{archive.coverage:.1%}", f"{archive.qd_score:.2f}"
        )
    print_table(table)
    if status.final:
        print_table(final_table(status.final, run.tasks))
    if status.recommended is not None:
        for line in model_to_take(status.recommended, run.uri):
            print_result(line)


def list_members(
    store: StoreArgument,
    as_json: JsonOption = False,
    task: Annotated[str | None, typer.Option(help="Only this task's archive.")] = None,
) -> None:
    """Every member of every archive: candidate, cell and scores, best quality first."""
    run = open_run(store)
    archives = run.archives()
    if task is not None and task not in archives:
        raise InputError(f"--task: no task {task!r}; the run has {', '.join(archives)}")
    elites = [
        (name, elite)
        for name, archive in archives.items()
        if task in (None, name)
        for elite in archive
    ]
    if as_json:
        print_json(
            [
                {
                    "task": name,
                    "candidate": elite.candidate,
                    "cell": list(elite.cell),
                    "scores": dict(elite.scores),
                }
                for name, elite in elites
            ]
        )
        return
    table = DataTable()
    for column in ("archive", "candidate", "cell"):
        table.add_column(column)
    for name in archives:
        table.add_column(name, justify="right")
    for name, elite in elites:
        cell = ",".join(str(number) for number in elite.cell)
        table.add_row(name, elite.candidate, cell, *(f"{s:.3f}" for s in elite.scores.values()))
    print_table(table)


def show(
    store: StoreArgument,
    candidate: Annotated[str, typer.Argument(help="A candidate id, as `list` prints it.")],
    as_json: JsonOption = False,
) -> None:
    """One candidate: scores, parents, cells, and what its genome holds of each expert."""
    run = open_run_store(store)
    candidate = resolve_member(run, candidate)
    document = Members(run).describe(candidate)
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
    print_result(str(open_run(store).report(out)))


def verify(
    store: StoreArgument,
    weights: Annotated[
        bool,
        typer.Option(help="Also materialise every evaluated model and compare its digest (slow)."),
    ] = True,
    first: Annotated[
        int,
        typer.Option(
            "--from",
            min=0,
            metavar="GENERATION",
            help="Begin with this generation and take what was stored before it as it is.",
        ),
    ] = 0,
) -> None:
    """Recompute every plan, archive and digest from the store; fail on the first that differs."""
    run = open_run_store(store)
    digest_of = None
    if weights:
        from cycleqd.run.models import RunModels  # noqa: PLC0415 - torch

        models = RunModels(run, cache_folder()).under_way()

        def digest_of(candidate: str) -> str:
            return models.materializer.digest(models.stored_genome(candidate))

    verifier = Verifier(run, digest_of, lambda stage: print_note(f"verifying {stage}"))
    parts = ", ".join(f"{count} {name}" for name, count in asdict(verifier.verify(first)).items())
    since = f" from generation {first} on; what is older was not looked at" if first else ""
    print_result(f"{run.document.run_id}: verified {parts}{since}")
