"""Evolving a run on this machine: admission, a coordinator here, workers as child processes."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from cycleqd.api.run import Run
from cycleqd.errors import InputError, ManifestError
from cycleqd.evaluation.processor import advice, facts
from cycleqd.evaluation.sandbox import Sandbox, check_containment
from cycleqd.manifest.model import Manifest
from cycleqd.manifest.reader import check_files, check_storage_files
from cycleqd.manifest.tracking import Tracking
from cycleqd.roles.coordinator import RunProgress
from cycleqd.roles.gpu_detection import nvidia_gpus
from cycleqd.roles.gpus import VISIBLE_DEVICES, assign, check_memory, visible
from cycleqd.roles.local import LocalRunner
from cycleqd.roles.polling import seconds_between_looks
from cycleqd.run.admission import admit, choose_engine
from cycleqd.run.store import RunStore
from cycleqd.store import open_store
from cycleqd.store.access import environment_of, settings_of
from cycleqd.store.cache import cache_folder
from cycleqd.tracing.starting import COORDINATOR, traced
from cycleqd.tracking.companion import Companion, check_installed, mlflow_follower

log = logging.getLogger(__name__)


def evolve(
    manifest: Manifest,
    store: str | Path | None = None,
    *,
    workers: int | None = None,
    share_gpus: bool = False,
    observe: Callable[[RunProgress], None] = lambda progress: None,
) -> Run:
    """Run a manifest on this machine until it is complete, or go on where its store stands.

    It may be killed at any moment; the same call goes on and ends with the same archives.

    Args:
        manifest: what to run (`load_manifest`).
        store: folder or ``s3://bucket/prefix`` of this run; from ``spec.storage.uri`` when absent.
        workers: worker processes; ``spec.workers.replicas`` when absent. Each gets a GPU of its own
            where there are GPUs.
        share_gpus: let several workers share a GPU.
        observe: told where the run stands at every look at the store, several times a second.

    Returns:
        The complete run.

    Raises:
        InputError: something in the manifest cannot run, or does not continue the stored run.
        CycleQDError: the run stopped; the message says why and what to do.
    """
    prepared = prepare(manifest, store, workers=workers, share_gpus=share_gpus)
    prepared.evolve(observe)
    return prepared.run


class Prepared:
    """A run that was admitted, and who will work on it.

    Attributes:
        run: the run's store.
        runner: its coordinator and workers.
    """

    def __init__(
        self,
        run: Run,
        runner: LocalRunner,
        tracking: Tracking | None,
        open_run: Callable[[], RunStore],
    ) -> None:
        self.run = run
        self.runner = runner
        self._tracking = tracking
        self._open_run = open_run

    def evolve(
        self,
        observe: Callable[[RunProgress], None],
        *,
        say: Callable[[str], None] = log.info,
        warn: Callable[[str], None] = log.warning,
    ) -> None:
        """Run until all is done, tracked where the manifest asks for that.

        Args:
            observe: told of every look at the store.
            say: told where the run is tracked.
            warn: told why it cannot be, or not traced, which does not stop it.

        Raises:
            CycleQDError: the run stopped.
        """
        companion = Companion(mlflow_follower(self._open_run, say), warn)
        companion.follow(self._tracking)
        with traced(os.environ, COORDINATOR, warn) as spans:
            self.runner.run(observe, spans)
        companion.finish(self.run.uri)


def prepare(
    manifest: Manifest,
    store: str | Path | None = None,
    *,
    workers: int | None = None,
    share_gpus: bool = False,
    workers_field: str = "workers",
    say: Callable[[str], None] = lambda message: None,
    check_experts: bool = False,
    look_at_items: bool = True,
) -> Prepared:
    """Admit a run and get its workers ready; `evolve` says what the arguments are.

    Args:
        manifest: what to run.
        store: where it is kept.
        workers: worker processes.
        share_gpus: let several workers share a GPU.
        workers_field: how the caller's user calls ``workers``, for messages.
        say: told what is being done.
        check_experts: open experts' own checkpoints, and say which ones the run makes less of.
        look_at_items: take other items in the files that the manifest names for what joins the run.
    """
    check_installed(manifest.spec.tracking)
    uri = _store_of(manifest) if store is None else str(store)
    problems = check_files(manifest)
    if check_storage_files(manifest):
        raise ManifestError(problems)
    settings = settings_of(manifest.spec.storage.s3)
    objects = open_store(uri, settings)
    stored = RunStore(objects)
    begun = stored.exists()
    if problems and not begun:  # what has begun is continued from any folder
        raise ManifestError(problems)
    count = workers or manifest.spec.workers.replicas
    gpus = assign(
        count,
        visible(nvidia_gpus(), os.environ.get(VISIBLE_DEVICES)),
        field=workers_field if workers else "spec.workers.replicas",
        share=share_gpus,
    )
    evaluation = manifest.spec.evaluation
    if (stored.document.engine if begun else choose_engine(evaluation.engine)) == "vllm":
        check_memory(gpus, evaluation.gpu_memory_utilization)
    if evaluation.sandbox == "Require":
        with Sandbox() as sandbox:
            check_containment(sandbox)
    if not begun and (advised := advice(evaluation.dtype, gpus, facts())):
        say(advised)
    scratch = cache_folder()
    checkpoints = scratch / "checkpoints"
    run = admit(
        objects,
        manifest,
        checkpoints=checkpoints,
        s3=settings,
        say=say,
        check_experts=check_experts,
        look_at_items=look_at_items,
    )
    runner = LocalRunner(
        run,
        lambda index, of: _worker_command(uri, index, of),
        workers=count,
        log_folder=scratch / "runs" / run.document.run_id / "logs",
        gpus=gpus,
        environment=environment_of(settings),
        poll_seconds=seconds_between_looks(uri),
    )

    def open_run() -> RunStore:
        return RunStore(open_store(uri, settings))

    return Prepared(Run(objects), runner, manifest.spec.tracking, open_run)


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
