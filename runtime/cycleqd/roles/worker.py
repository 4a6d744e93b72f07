"""A worker: keeps one warm engine and works through plan entries until the run is complete.

One for each GPU; on one machine, one process each. It may be killed at any instruction: what it
leaves behind is either a whole result or nothing. It never plans, and learns of new work by looking
at the store.
"""

from __future__ import annotations

import json
import logging
import random
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cycleqd.records.documents import EvaluateEntry, FactorEntry, ResultDocument, Telemetry
from cycleqd.records.keys import Stage
from cycleqd.roles.entry_queue import EntryQueue, Work
from cycleqd.run.revision import Revision
from cycleqd.run.store import RunStore
from cycleqd.tracing.attributes import entry_name, of_entry, of_result, of_stage
from cycleqd.tracing.roots import TracedRun
from cycleqd.tracing.spans import NO_SPANS, Spans

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkerSettings:
    """Who a worker is and where it may put files.

    Attributes:
        index: 0-based.
        count: number of workers.
        scratch: folder for checkpoints and factors, shared by the workers of one machine.
        poll_seconds: pause between looks at the store while there is nothing to do.
        longest_poll_seconds: the pause grows up to this one; None keeps it.
        stage: the only stage to work on; None for all of the run.
    """

    index: int
    count: int
    scratch: Path
    poll_seconds: float = 0.2
    longest_poll_seconds: float | None = None
    stage: Stage | None = None


class Pause:
    """How long to wait between looks at the store: longer and longer, never in step with others.

    Args:
        first: seconds of the first pause.
        longest: seconds that pauses grow to; None does not let them grow.
    """

    def __init__(self, first: float, longest: float | None = None) -> None:
        self._first = first
        self._longest = longest
        self._seconds = first

    def reset(self) -> None:
        """Something happened: look often again."""
        self._seconds = self._first

    def next(self) -> float:
        """Seconds to wait now."""
        if self._longest is None:
            return self._first
        seconds = self._seconds
        self._seconds = min(self._longest, seconds * 1.5)
        return seconds * random.uniform(0.7, 1.0)


class Workbench(Protocol):
    """What does the work; `cycleqd.roles.workbench.ModelWorkbench` with real models."""

    def factor(self, entry: FactorEntry, revision: Revision) -> str:
        """Factor an expert's task vector into the store; returns the factors' digest."""
        ...

    def evaluate(self, entry: EvaluateEntry, revision: Revision) -> ResultDocument:
        """Evaluate a candidate; the caller sets ``entry`` and who did it when."""
        ...

    def close(self) -> None:
        """Release the engine."""
        ...


Announce = Callable[[str, Work, ResultDocument | None], None]


def event_line(event: str, work: Work, result: ResultDocument | None) -> str:
    """What a worker process tells the one that started it: a line of JSON (`worker_process`)."""
    line: dict[str, object] = {
        "event": event,
        "stage": work.stage.folder,
        "index": work.index,
        "kind": work.entry.kind,
    }
    if result is not None:
        told = result.telemetry
        phases = {"materialize": told.materialize_seconds, "evaluate": told.evaluate_seconds}
        line |= {"seconds": told.seconds, "phases": phases, "failed": result.failure is not None}
    return json.dumps(line) + "\n"


class Worker:
    """Does entries one by one.

    Args:
        run: the run's store.
        settings: who it is.
        workbench: what does the work.
        announce: called with ``begin`` and ``end`` around each entry, the latter with its result.
        clock: monotonic seconds.
        spans: take the time of each entry, in its stage's trace.
    """

    def __init__(
        self,
        run: RunStore,
        settings: WorkerSettings,
        workbench: Workbench,
        announce: Announce = lambda event, work, result: None,
        clock: Callable[[], float] = time.monotonic,
        *,
        spans: Spans = NO_SPANS,
    ) -> None:
        self._run = run
        self._settings = settings
        self._workbench = workbench
        self._announce = announce
        self._clock = clock
        self._spans = spans
        self._traced = TracedRun(run.document.run_id, run.objects.uri)
        self._queue = EntryQueue(run, settings.index, settings.count, settings.stage)
        self._pause = Pause(settings.poll_seconds, settings.longest_poll_seconds)
        self._last_seconds = 0.0

    def run(self) -> None:
        """Work until the run, or the stage, is complete."""
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
                self._pause.reset()
                continue
            elif idle_since is None:
                idle_since = now
            time.sleep(self._pause.next())

    def do(self, work: Work) -> None:
        """Do one entry and store its result."""
        facts = {
            **of_stage(self._traced, work.stage),
            **of_entry(work.index, work.entry, self._settings.index),
        }
        root = self._traced.root(work.stage)
        with self._spans.span(entry_name(work.entry), facts, root) as span:
            result = self._do(work)
            span.tell(of_result(result))
            if result.failure is not None:
                span.fail(result.failure.cause)

    def _do(self, work: Work) -> ResultDocument:
        self._announce("begin", work, None)
        start = self._clock()
        entry = work.entry
        revision = self._run.history.as_of(work.stage.number)
        if isinstance(entry, FactorEntry):
            digest = self._workbench.factor(entry, revision)
            result = ResultDocument(
                entry=work.index,
                candidate=None,
                digest=digest,
                telemetry=Telemetry(worker=0, host="", seconds=0.0),
            )
        else:
            result = self._workbench.evaluate(entry, revision)
        self._last_seconds = self._clock() - start
        told = {
            "worker": self._settings.index,
            "host": socket.gethostname(),
            "seconds": self._last_seconds,
        }
        telemetry = result.telemetry.model_copy(update=told)
        result = result.model_copy(update={"entry": work.index, "telemetry": telemetry})
        self._run.objects.create(work.stage.result_key(work.index), result.to_bytes())
        self._announce("end", work, result)
        log.info(
            "%s entry %d (%s) in %.1f s",
            work.stage.folder,
            work.index,
            entry.expert if isinstance(entry, FactorEntry) else entry.candidate,
            self._last_seconds,
        )
        return result
