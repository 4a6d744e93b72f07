"""A worker process over a folder store with synthetic scores, which can be told to crash.

Usage: synthetic_worker.py STORE INDEX COUNT [CANDIDATE SIGNAL]
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from cycleqd.documents import EvaluateEntry, ResultDocument
from cycleqd.errors import CycleQDError
from cycleqd.run_store import RunStore
from cycleqd.store import open_store
from cycleqd.work_queue import Work
from cycleqd.worker import Worker, WorkerSettings
from tests.run.synthetic import SyntheticWorkbench


class CrashingWorkbench(SyntheticWorkbench):
    def __init__(self, runs: RunStore, candidate: str | None, signal_number: int) -> None:
        super().__init__(runs)
        self.candidate = candidate
        self.signal_number = signal_number

    def evaluate(self, entry: EvaluateEntry) -> ResultDocument:
        if entry.candidate == self.candidate:
            os.kill(os.getpid(), self.signal_number)
        return super().evaluate(entry)


def main() -> None:
    store, index, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    candidate, number = (sys.argv[4], int(sys.argv[5])) if len(sys.argv) > 4 else (None, 0)
    runs = RunStore(open_store(store))

    def announce(event: str, work: Work) -> None:
        line = {"event": event, "stage": work.stage.folder, "index": work.index}
        print(json.dumps(line), flush=True)

    settings = WorkerSettings(index, count, Path("/nonexistent"), poll_seconds=0.02)
    try:
        Worker(runs, settings, CrashingWorkbench(runs, candidate, number), announce).run()
    except CycleQDError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
