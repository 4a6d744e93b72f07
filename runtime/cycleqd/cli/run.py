"""``cycleqd run`` and the worker process it starts."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from typing import Annotated

import typer

from cycleqd.api.evolving import prepare
from cycleqd.cli.console import errors, print_note, print_result, print_table
from cycleqd.cli.local_runs import ShareGpusOption, WorkersOption, resumable
from cycleqd.cli.manifests import ManifestArgument
from cycleqd.cli.progress import ProgressDisplay
from cycleqd.cli.stores import StoreArgument, open_run_store
from cycleqd.cli.tables import final_table, model_to_take
from cycleqd.cli.termination import exit_on_sigterm
from cycleqd.manifest.reader import load_manifest
from cycleqd.records import keys
from cycleqd.records.documents import ResultDocument
from cycleqd.records.keys import Stage
from cycleqd.roles.entry_queue import Work
from cycleqd.roles.polling import LONGEST_SECONDS, seconds_between_looks
from cycleqd.roles.worker_process import GRACE_SECONDS
from cycleqd.store.cache import cache_folder
from cycleqd.tracing.starting import WORKER, traced

log = logging.getLogger(__name__)


def run(
    file: ManifestArgument,
    store: Annotated[
        str | None,
        typer.Option(help="Folder or s3://bucket/prefix of this run; from the manifest if absent."),
    ] = None,
    *,
    workers: WorkersOption = None,
    share_gpus: ShareGpusOption = False,
    report: Annotated[bool, typer.Option(help="Write the report at the end.")] = True,
    check: Annotated[
        bool, typer.Option(help="Compare experts with their own checkpoints before a run begins.")
    ] = True,
) -> None:
    """Run a manifest on this machine, or go on with a run that was interrupted.

    Kill it at any moment; the same command goes on and ends with the same archives. Raise
    spec.evolution.generations and run again to continue a finished run.
    """
    manifest = load_manifest(file)
    if manifest.spec.suspend:
        print_note("spec.suspend: ignored; it is for clusters")
    prepared = prepare(
        manifest,
        store,
        workers=workers,
        share_gpus=share_gpus,
        workers_field="--workers",
        say=print_note,
        check_experts=check,
    )
    run_id = prepared.run.id
    with resumable(), ProgressDisplay(errors, manifest.spec, run_id) as display:
        prepared.evolve(display.show, say=print_note, warn=print_note)
    status = prepared.run.status()
    if status.goal_reached:
        print_result(
            f"goal reached at generation {status.generation} of {status.generations}; raise "
            "spec.goal and run again to go on"
        )
    print_table(final_table(status.final, prepared.run.tasks))
    if report:
        page = prepared.run.report()
        print_result(f"report: {page}")
    if status.recommended is not None:
        for line in model_to_take(status.recommended, prepared.run.uri):
            print_result(line)


def work(
    store: StoreArgument,
    *,
    index: Annotated[int, typer.Option(min=0, help="Index of this worker.")] = 0,
    count: Annotated[int, typer.Option(min=1, help="Number of workers.")] = 1,
    parent: Annotated[
        int | None, typer.Option(help="End when this process is no longer the parent.")
    ] = None,
    stage: Annotated[
        Stage | None,
        typer.Option(
            parser=keys.stage,
            metavar="STAGE",
            help="Work on this stage only, such as generations/000012.",
        ),
    ] = None,
    patient: Annotated[
        bool, typer.Option("--patient", help="Wait for a store that is away, look for work rarely.")
    ] = False,
) -> None:
    """Work on a run's entries until it is complete (started by `cycleqd run` and in pods)."""
    # Libraries print to standard output; it belongs to the events that the parent reads.
    events = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    logging.getLogger("cycleqd").setLevel(logging.INFO)
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    run = open_run_store(store, patient=patient)
    threads = str(run.latest().spec.workers.threads)
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = threads  # before torch is imported

    from cycleqd.roles.workbench import ModelWorkbench  # noqa: PLC0415 - torch
    from cycleqd.roles.worker import Worker, WorkerSettings, event_line  # noqa: PLC0415

    def announce(event: str, work: Work, result: ResultDocument | None) -> None:
        events.write(event_line(event, work, result))

    settings = WorkerSettings(
        index=index,
        count=count,
        scratch=cache_folder(),
        poll_seconds=seconds_between_looks(store),
        longest_poll_seconds=LONGEST_SECONDS if patient else None,
        stage=stage,
    )
    with traced(os.environ, WORKER, log.warning) as spans:
        workbench = ModelWorkbench(run, settings.scratch, spans=spans)
        # A worker that is no longer needed is told so by SIGTERM, and leaves no folder behind.
        exit_on_sigterm(GRACE_SECONDS / 2)
        try:
            Worker(run, settings, workbench, announce, spans=spans).run()
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it ends already
            workbench.close()


def _end_with(parent: int) -> None:
    """End this process once its parent is gone: a killed run leaves no workers behind."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
