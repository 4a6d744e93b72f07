"""A worker process over a folder store with synthetic scores, which can be told to crash.

Usage: synthetic_worker.py STORE INDEX COUNT [CANDIDATE SIGNAL] [--stage STAGE]
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from cycleqd.cli.termination import exit_on_sigterm
from cycleqd.errors import CycleQDError
from cycleqd.records import keys
from cycleqd.records.documents import EvaluateEntry, ResultDocument
from cycleqd.roles.entry_queue import Work
from cycleqd.roles.worker import Worker, WorkerSettings, event_line
from cycleqd.run.revision import Revision
from cycleqd.run.store import RunStore
from cycleqd.store import open_store
from cycleqd.store.access import settings_of
from cycleqd.tracing.starting import WORKER, traced
from tests.run.synthetic import SyntheticWorkbench


class CrashingWorkbench(SyntheticWorkbench):
    def __init__(self, run: RunStore, candidate: str | None, signal_number: int) -> None:
        super().__init__(run)
        self.candidate = candidate
        self.signal_number = signal_number

    def evaluate(self, entry: EvaluateEntry, revision: Revision) -> ResultDocument:
        if entry.candidate == self.candidate:
            os.kill(os.getpid(), self.signal_number)
        return super().evaluate(entry, revision)


def main() -> None:
    arguments = sys.argv[1:]
    stage = None
    if "--stage" in arguments:
        stage = keys.stage(arguments.pop())
        arguments.remove("--stage")
    store, index, count = arguments[0], int(arguments[1]), int(arguments[2])
    candidate, number = (arguments[3], int(arguments[4])) if len(arguments) > 3 else (None, 0)
    run = RunStore(open_store(store, settings_of()))

    def announce(event: str, work: Work, result: ResultDocument | None) -> None:
        print(event_line(event, work, result), end="", flush=True)

    settings = WorkerSettings(index, count, Path("/nonexistent"), poll_seconds=0.02, stage=stage)
    bench = CrashingWorkbench(run, candidate, number)
    exit_on_sigterm(5.0)
    try:
        with traced(os.environ, WORKER, lambda warning: print(warning, file=sys.stderr)) as spans:
            Worker(run, settings, bench, announce, spans=spans).run()
    except CycleQDError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
