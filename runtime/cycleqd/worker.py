"""A worker: keeps one warm engine and works through plan entries until the run is complete.

One for each GPU; on one machine, one process each. It may be killed at any instruction: what it
leaves behind is either a whole result or nothing. It never plans, and learns of new work by looking
at the store.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cycleqd.documents import EvaluateEntry, FactorEntry, ResultDocument, Telemetry
from cycleqd.run_store import RunStore
from cycleqd.work_queue import Work, WorkQueue

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkerSettings:
    """Who a worker is and where it may put files.

    Attributes:
        index: 0-based.
        count: number of workers.
        scratch: folder for checkpoints and factors, shared by the workers of one machine.
        poll_seconds: pause between looks at the store while there is nothing to do.
    """

    index: int
    count: int
    scratch: Path
    poll_seconds: float = 0.2


class Workbench(Protocol):
    """What does the work; `cycleqd.workbench.ModelWorkbench` with real models."""

    def factor(self, entry: FactorEntry) -> str:
        """Factor an expert's task vector into the store; returns the factors' digest."""
        ...

    def evaluate(self, entry: EvaluateEntry) -> ResultDocument:
        """Evaluate a candidate; the caller sets ``entry`` and who did it when."""
        ...

    def close(self) -> None:
        """Release the engine."""
        ...


class Worker:
    """Does entries one by one.

    Args:
        runs: the run.
        settings: who it is.
        workbench: what does the work.
        announce: called with ``begin`` and ``end`` around each entry.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        runs: RunStore,
        settings: WorkerSettings,
        workbench: Workbench,
        announce: Callable[[str, Work], None] = lambda event, work: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._runs = runs
        self._settings = settings
        self._workbench = workbench
        self._announce = announce
        self._clock = clock
        self._queue = WorkQueue(runs, settings.index, settings.count)
        self._last_seconds = 0.0

    def run(self) -> None:
        """Work until the run is complete."""
        idle_since: float | None = None
        while True:
            work = self._queue.next()
            now = self._clock()
            if work is None:
                if self._queue.complete():
                    return
                idle_since = None
            elif work.own or (
                # An entry's owner is given as long as this worker needed for its last one; only
                # durations on this machine are compared, never clocks of two.
                idle_since is not None and now - idle_since >= self._last_seconds
            ):
                self.do(work)
                idle_since = None
                continue
            elif idle_since is None:
                idle_since = now
            time.sleep(self._settings.poll_seconds)

    def do(self, work: Work) -> None:
        """Do one entry and store its result."""
        self._announce("begin", work)
        start = self._clock()
        entry = work.entry
        if isinstance(entry, FactorEntry):
            digest = self._workbench.factor(entry)
            result = ResultDocument(
                entry=work.index,
                candidate=None,
                digest=digest,
                telemetry=Telemetry(worker=0, host="", seconds=0.0),
            )
        else:
            result = self._workbench.evaluate(entry)
        self._last_seconds = self._clock() - start
        told = {
            "worker": self._settings.index,
            "host": socket.gethostname(),
            "seconds": self._last_seconds,
        }
        telemetry = result.telemetry.model_copy(update=told)
        result = result.model_copy(update={"entry": work.index, "telemetry": telemetry})
        self._runs.objects.create(work.stage.result_key(work.index), result.to_bytes())
        self._announce("end", work)
        log.info(
            "%s entry %d (%s) in %.1f s",
            work.stage.folder,
            work.index,
            entry.expert if isinstance(entry, FactorEntry) else entry.candidate,
            self._last_seconds,
        )
