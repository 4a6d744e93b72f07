"""The local runner: coordinator and workers of one run in one process tree.

The coordinator steps in this process; each worker is a child process (``cycleqd work``), so that a
crash of an engine is no crash of the run. A worker that dies is judged (`cycleqd.supervision`) and
started again. Everything may be killed: workers notice that their parent is gone and end, and the
same command goes on where the store stands.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from cycleqd.coordinator import Coordinator, Progress
from cycleqd.documents import EvaluateEntry, Failure, ResultDocument, SummaryDocument, Telemetry
from cycleqd.errors import (
    CycleQDError,
    InputError,
    RunFailed,
    SlotError,
    StoreError,
    StoreUnavailable,
)
from cycleqd.keys import Stage
from cycleqd.run_store import RunStore
from cycleqd.supervision import Condemn, Death, Restart, Stop, judge

log = logging.getLogger(__name__)

GRACE_SECONDS = 10.0
"""How long workers get to end after SIGTERM before they are killed."""

_ERRORS: tuple[type[CycleQDError], ...] = (
    InputError,
    RunFailed,
    SlotError,
    StoreError,
    StoreUnavailable,
)


@dataclass
class WorkerProcess:
    """One child process and what it has said.

    Attributes:
        index: its index among the workers.
        command: how to start it.
        log_path: where its standard error goes.
    """

    index: int
    command: Sequence[str]
    log_path: Path
    deaths: list[Death] = field(default_factory=list)
    not_before: float = 0.0
    _process: subprocess.Popen[str] | None = None
    _entry: tuple[str, int] | None = None

    def start(self, environment: dict[str, str]) -> None:
        """Start the process and a thread that listens to it."""
        self._entry = None
        with self.log_path.open("ab") as log_file:
            self._process = subprocess.Popen(  # the process outlives this block
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log_file,
                text=True,
                env=environment,
                # Ctrl-C in a terminal reaches the whole foreground group; workers are ended by us.
                start_new_session=True,
            )
        stdout = self._process.stdout
        assert stdout is not None
        threading.Thread(target=self._listen, args=(stdout,), daemon=True).start()

    def _listen(self, stdout: IO[str]) -> None:
        with stdout:
            for line in stdout:
                self._hear(line)

    def _hear(self, line: str) -> None:
        try:
            event = json.loads(line)
        except ValueError:
            return  # a library printed something
        if not isinstance(event, dict):
            return
        if event.get("event") == "begin":
            self._entry = (str(event["stage"]), int(event["index"]))
        elif event.get("event") == "end":
            self._entry = None
            self.deaths.clear()

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        if self._process is None or self._process.poll() is not None:
            return None
        return self._process.pid

    def collect_death(self) -> Death | None:
        """How it ended, told once; None while it runs or when it ended well."""
        if self._process is None or self._process.poll() is None:
            return None
        code = self._process.returncode
        self._process = None
        if code == 0:
            return None
        death = Death(code, self._entry)
        self.deaths.append(death)
        return death

    def terminate(self) -> None:
        """Ask it to end."""
        if self.pid is not None and self._process is not None:
            self._process.terminate()

    def finish(self, deadline: float) -> None:
        """Wait until the deadline (monotonic seconds), then kill."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(GRACE_SECONDS)

    def last_words(self) -> str:
        """The last line of its log, where errors are told."""
        try:
            lines = self.log_path.read_text(errors="replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1].removeprefix("error: ") if lines else ""


class LocalRunner:
    """Runs a coordinator and its workers until the run is complete.

    Args:
        runs: the run.
        worker_command: the command that starts worker ``index`` of ``count``.
        workers: how many.
        log_folder: where workers' logs go.
        poll_seconds: pause between looks at the store.
    """

    def __init__(
        self,
        runs: RunStore,
        worker_command: Callable[[int, int], Sequence[str]],
        *,
        workers: int,
        log_folder: Path,
        poll_seconds: float = 0.2,
    ) -> None:
        self._runs = runs
        self._poll_seconds = poll_seconds
        log_folder.mkdir(parents=True, exist_ok=True)
        self._workers = [
            WorkerProcess(index, worker_command(index, workers), log_folder / f"worker-{index}.log")
            for index in range(workers)
        ]
        self.log_folder = log_folder

    def run(self, observe: Callable[[Progress], None] = lambda progress: None) -> SummaryDocument:
        """Work until the run is complete; workers are started only if something is left to do.

        Args:
            observe: called with every look at the store.

        Raises:
            CycleQDError: the run stopped; the message says why and what to do.
        """
        coordinator = Coordinator(self._runs)
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
        """Start what is not running and judge what died."""
        for worker in self._workers:
            if worker.pid is not None:
                continue
            death = worker.collect_death()
            if death is not None:
                self._judge(worker)
            if time.monotonic() >= worker.not_before:
                worker.start(dict(os.environ))

    def _judge(self, worker: WorkerProcess) -> None:
        verdict = judge(worker.deaths)
        log.warning("worker %d ended: %s -> %s", worker.index, worker.deaths[-1], verdict)
        match verdict:
            case Restart(seconds):
                worker.not_before = time.monotonic() + seconds
            case Condemn(entry, cause):
                self._condemn(entry, cause)
                worker.deaths.clear()
            case Stop(code, reason):
                words = worker.last_words()
                raise _error_of(code)(f"{reason}: {words}" if words and code > 0 else reason)

    def _condemn(self, entry: tuple[str, int], cause: str) -> None:
        folder, index = entry
        stage = Stage(folder, "")
        plan = self._runs.plan(stage)
        candidate = None
        if plan is not None:
            planned = plan.entries[index]
            candidate = planned.candidate if isinstance(planned, EvaluateEntry) else None
        result = ResultDocument(
            entry=index,
            candidate=candidate,
            failure=Failure(cause="WorkerCrash", message=cause),
            telemetry=Telemetry(worker=-1, host="", seconds=0.0),
        )
        self._runs.objects.create(stage.result_key(index), result.to_bytes())

    def _stop(self) -> None:
        for worker in self._workers:
            worker.terminate()
        deadline = time.monotonic() + GRACE_SECONDS
        for worker in self._workers:
            worker.finish(deadline)


def _error_of(code: int) -> type[CycleQDError]:
    """The error whose exit status this is."""
    return next((error for error in _ERRORS if error.exit_code == code), RunFailed)
