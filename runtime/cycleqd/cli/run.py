"""``cycleqd run`` and the worker process it starts."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Sequence
from typing import Annotated

import typer

from cycleqd.cli.console import errors, output
from cycleqd.cli.manifests import ManifestArgument
from cycleqd.cli.progress import ProgressDisplay
from cycleqd.cli.reports import write_report
from cycleqd.cli.stores import StoreArgument, cache_folder, open_run
from cycleqd.cli.tables import summary_table
from cycleqd.errors import InputError, ManifestError
from cycleqd.manifest.model import Manifest
from cycleqd.manifest.reader import check_files, check_storage_files, read_manifest
from cycleqd.records import keys
from cycleqd.records.documents import ResultDocument
from cycleqd.records.keys import Stage
from cycleqd.roles.gpu_detection import nvidia_gpus
from cycleqd.roles.gpus import VISIBLE_DEVICES, assign, check_memory, visible
from cycleqd.roles.local import LocalRunner
from cycleqd.roles.work_queue import Work
from cycleqd.run.admission import admit
from cycleqd.run.store import RunStore
from cycleqd.store import open_store
from cycleqd.store.access import environment_of, settings_of

S3_POLL_SECONDS = 1.0
FOLDER_POLL_SECONDS = 0.2
LONGEST_POLL_SECONDS = 5.0


def run(
    file: ManifestArgument,
    store: Annotated[
        str | None,
        typer.Option(help="Folder or s3://bucket/prefix of this run; from the manifest if absent."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Worker processes; spec.workers.replicas if absent.")
    ] = None,
    share_gpus: Annotated[
        bool, typer.Option("--share-gpus", help="Let workers share GPUs; each needs one otherwise.")
    ] = False,
    report: Annotated[bool, typer.Option(help="Write the report at the end.")] = True,
) -> None:
    """Run a manifest on this machine, or go on with a run that was interrupted.

    Kill it at any moment; the same command goes on and ends with the same archives. Raise
    spec.evolution.generations and run again to continue a finished run.
    """
    manifest = read_manifest(file)
    uri = store or _store_of(manifest)
    problems = check_files(manifest)
    if check_storage_files(manifest):
        raise ManifestError(problems)
    count = workers or manifest.spec.workers.replicas
    gpus = assign(
        count,
        visible(nvidia_gpus(), os.environ.get(VISIBLE_DEVICES)),
        field="--workers" if workers else "spec.workers.replicas",
        share=share_gpus,
    )
    settings = settings_of(manifest.spec.storage.s3)
    objects = open_store(uri, settings)
    if problems and not RunStore(objects).exists():  # what has begun is continued from any folder
        raise ManifestError(problems)
    if manifest.spec.suspend:
        errors.print("spec.suspend: ignored; it is for clusters", highlight=False)
    os.environ.update(environment_of(settings))  # for the workers
    scratch = cache_folder()
    runs = admit(
        objects,
        manifest,
        checkpoints=scratch / "checkpoints",
        s3=settings,
        say=lambda message: errors.print(message, markup=False, highlight=False),
    )
    if runs.run.engine == "vllm":
        check_memory(gpus, manifest.spec.evaluation.gpu_memory_utilization)
    runner = LocalRunner(
        runs,
        lambda index, of: _worker_command(uri, index, of),
        workers=count,
        gpus=gpus,
        log_folder=scratch / "runs" / runs.run.run_id / "logs",
        poll_seconds=S3_POLL_SECONDS if uri.startswith("s3://") else FOLDER_POLL_SECONDS,
    )
    try:
        with ProgressDisplay(errors, manifest.spec, runs.run.run_id) as display:
            summary = runner.run(display.show)
    except KeyboardInterrupt:
        errors.print("stopped; nothing is lost, the same command goes on", highlight=False)
        sys.exit(130)
    position = runs.position()
    if position.goal_reached:
        output.print(
            f"goal reached at generation {position.generation} of {position.generations}; raise "
            "spec.goal and run again to go on",
            highlight=False,
            soft_wrap=True,
        )
    output.print(summary_table(summary, [task.name for task in manifest.spec.tasks]))
    if report:
        page = write_report(runs)
        output.print(f"report: {page}", markup=False, highlight=False, soft_wrap=True)


def _store_of(manifest: Manifest) -> str:
    uri = manifest.spec.storage.uri
    if uri is None:
        raise InputError("spec.storage.uri: missing; set it or give --store FOLDER|s3://...")
    return f"{uri.rstrip('/')}/{manifest.metadata.name}"


def _worker_command(uri: str, index: int, count: int) -> Sequence[str]:
    return (
        sys.executable,
        "-m",
        "cycleqd.cli",
        "work",
        uri,
        "--index",
        str(index),
        "--count",
        str(count),
        "--parent",
        str(os.getpid()),
    )


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
    runs = open_run(store, patient=patient)
    threads = str(runs.latest().spec.workers.threads)
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
        poll_seconds=S3_POLL_SECONDS if store.startswith("s3://") else FOLDER_POLL_SECONDS,
        longest_poll_seconds=LONGEST_POLL_SECONDS if patient else None,
        stage=stage,
    )
    workbench = ModelWorkbench(runs, settings.scratch)
    try:
        Worker(runs, settings, workbench, announce).run()
    finally:
        workbench.close()


def _end_with(parent: int) -> None:
    """End this process once its parent is gone: a killed run leaves no workers behind."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
