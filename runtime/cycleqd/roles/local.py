"""The local runner: coordinator and workers of one run in one process tree.

The coordinator steps in this process; each worker is a child process (``cycleqd work``), so that a
crash of an engine is no crash of the run. A worker that dies is judged
(`cycleqd.roles.supervision`) and started again. Everything may be killed: workers notice that their
parent is gone and end, and the same command goes on where the store stands.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cycleqd.records.final_table import SummaryDocument
from cycleqd.roles.coordinator import Coordinator, RunProgress
from cycleqd.roles.gpus import VISIBLE_DEVICES
from cycleqd.roles.worker_process import GRACE_SECONDS, Keeper, WorkerProcess
from cycleqd.run.store import RunStore
from cycleqd.tracing.spans import NO_SPANS, Spans


class LocalRunner:
    """Runs a coordinator and its workers until the run is complete.

    Args:
        run: the run's store.
        worker_command: the command that starts worker ``index`` of ``count``.
        workers: how many.
        log_folder: where workers' logs go.
        gpus: the GPU of each worker (`cycleqd.roles.gpus`); empty leaves them what they find.
        environment: variables that workers get beside ours.
        poll_seconds: pause between looks at the store.
    """

    def __init__(
        self,
        run: RunStore,
        worker_command: Callable[[int, int], Sequence[str]],
        *,
        workers: int,
        log_folder: Path,
        gpus: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        poll_seconds: float = 0.2,
    ) -> None:
        self._run = run
        self._poll_seconds = poll_seconds
        log_folder.mkdir(parents=True, exist_ok=True)
        self._workers = [
            WorkerProcess(
                index,
                worker_command(index, workers),
                log_folder / f"worker-{index}.log",
                environment={
                    **(environment or {}),
                    **({VISIBLE_DEVICES: gpus[index]} if gpus else {}),
                },
            )
            for index in range(workers)
        ]
        self._keepers = [Keeper(run, worker) for worker in self._workers]
        self.log_folder = log_folder

    def run(
        self,
        observe: Callable[[RunProgress], None] = lambda progress: None,
        spans: Spans = NO_SPANS,
    ) -> SummaryDocument:
        """Work until the run is complete; workers are started only if something is left to do.

        Args:
            observe: called with every look at the store.
            spans: take the time of what the coordinator does.

        Raises:
            CycleQDError: the run stopped; the message says why and what to do.
        """
        coordinator = Coordinator(self._run, spans)
        try:
            while True:
                progress = coordinator.step()
                observe(progress)
                if progress.summary is not None:
                    return progress.summary
                self._tend()
                time.sleep(self._poll_seconds)
        finally:
            self._stop()

    def _tend(self) -> None:
        for keeper in self._keepers:
            if keeper.tend():  # it saw the run complete before we did, or looked too early
                keeper.process.start()

    def _stop(self) -> None:
        for worker in self._workers:
            worker.terminate()
        deadline = time.monotonic() + GRACE_SECONDS
        for worker in self._workers:
            worker.finish(deadline)
