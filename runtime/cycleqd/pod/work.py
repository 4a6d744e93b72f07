"""``cycleqd pod work``: the process that answers for a worker in a cluster.

Small and quick to start, it serves the health port, waits for the run to begin, and keeps the
process that holds the engine (``cycleqd work``) running until there is nothing left to do. A store
that is away is waited for; an engine that crashes costs no pod.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Sequence

from cycleqd.errors import StoreError
from cycleqd.pod.health import serving
from cycleqd.pod.metrics import WorkerMetrics
from cycleqd.pod.settings import WorkerPodSettings
from cycleqd.roles.entry_queue import EntryQueue
from cycleqd.roles.polling import LONGEST_SECONDS
from cycleqd.roles.worker import Pause
from cycleqd.roles.worker_process import GRACE_SECONDS, Keeper, WorkerProcess
from cycleqd.run.store import RunStore
from cycleqd.store import open_store
from cycleqd.store.access import settings_of
from cycleqd.store.patient import PatientStore

log = logging.getLogger(__name__)

TEND_SECONDS = 0.2

Command = Callable[[WorkerPodSettings], Sequence[str]]


def worker_command(settings: WorkerPodSettings) -> Sequence[str]:
    """How the process with the engine is started."""
    command = [sys.executable, "-m", "cycleqd.cli", "work", settings.store, "--patient"]
    command += ["--index", str(settings.index), "--count", str(settings.workers)]
    command += ["--parent", str(os.getpid())]
    if settings.stage is not None:
        command += ["--stage", settings.stage.folder]
    return command


def work(settings: WorkerPodSettings, command: Command = worker_command) -> None:
    """Keep one worker working until the run, or its stage, is complete.

    Args:
        settings: of the pod.
        command: how the process with the engine is started.

    Raises:
        InputError: the worker refuses its configuration.
        SlotError: this machine cannot work.
        CycleQDError: the worker fails again and again.
    """
    metrics = WorkerMetrics()

    def tell(error: StoreError | None) -> None:
        if error is None:
            log.info("the store answers again")
        else:
            log.warning("%s", error)
            metrics.store_errors.inc()

    with serving(settings.health_port, metrics.registry):
        run = RunStore(PatientStore(open_store(settings.store, settings_of()), tell))
        _await_run(run)
        if _nothing_left(run, settings):
            log.info("%s: nothing left to do", run.document.run_id)
            return
        process = WorkerProcess(settings.index, command(settings), listen=metrics.hear)
        keeper = Keeper(run, process, patient=True, started=metrics.starts.inc)
        try:
            while not keeper.tend():
                _reap(process.pid)
                time.sleep(TEND_SECONDS)
        finally:
            process.terminate()
            process.finish(time.monotonic() + GRACE_SECONDS)
        log.info("%s: done", run.document.run_id)


def _await_run(run: RunStore) -> None:
    """The coordinator may still be checking what the run is made of."""
    pause = Pause(1.0, LONGEST_SECONDS)
    while not run.exists():
        time.sleep(pause.next())


def _nothing_left(run: RunStore, settings: WorkerPodSettings) -> bool:
    """Whether the pod came too late, before an engine is started for nothing."""
    queue = EntryQueue(run, settings.index, settings.workers, settings.stage)
    return queue.next() is None and queue.complete()


def _reap(worker: int | None) -> None:
    """As process 1 of a container: collect orphans, but leave the worker's end to its keeper."""
    if os.getpid() != 1:
        return
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if ended is None or ended.si_pid == worker:
            return
        os.waitpid(ended.si_pid, 0)
