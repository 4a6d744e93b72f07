"""A worker as a child process, kept alive: what `cycleqd run` and a worker pod have in common.

An engine may take its process down with it, so the process that answers for the worker is another
one. The child (``cycleqd work``) tells on its standard output, a line of JSON each, when it begins
and ends an entry; how it dies is judged by `cycleqd.roles.supervision`.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from cycleqd.errors import (
    CycleQDError,
    InputError,
    RunFailed,
    SlotError,
    StoreError,
    StoreUnavailable,
)
from cycleqd.records.documents import EvaluateEntry, Failure, ResultDocument, Telemetry
from cycleqd.records.keys import Stage
from cycleqd.roles.supervision import Condemn, Death, Restart, Stop, judge
from cycleqd.run.store import RunStore

log = logging.getLogger(__name__)

GRACE_SECONDS = 10.0
"""How long workers get to end after SIGTERM before they are killed."""

LAST_WORDS_SECONDS = 1.0
"""How long to wait for output of a process that ended; its children may hold the pipe open."""

_ERRORS: tuple[type[CycleQDError], ...] = (
    InputError,
    RunFailed,
    SlotError,
    StoreError,
    StoreUnavailable,
)

WorkerEvent = dict[str, Any]
"""A line of a worker: ``event`` (``begin`` or ``end``), ``stage``, ``index``, ``kind``; at the end
also ``seconds``, ``phases`` (seconds by what they were spent on) and ``failed``."""


@dataclass
class WorkerProcess:
    """One child process and what it has said; ``ended`` once it ended well.

    Attributes:
        index: its index among the workers.
        command: how to start it.
        log_path: where its standard error goes; None repeats it on ours.
        listen: told each line that it says.
        environment: variables that it gets beside ours.
    """

    index: int
    command: Sequence[str]
    log_path: Path | None = None
    listen: Callable[[WorkerEvent], None] = lambda event: None
    environment: Mapping[str, str] = field(default_factory=dict)
    deaths: list[Death] = field(default_factory=list)
    not_before: float = 0.0
    ended: bool = False
    _process: subprocess.Popen[str] | None = None
    _entry: tuple[str, int] | None = None
    _said: str = ""
    _listeners: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Start the process and what listens to it."""
        self._entry = None
        self.ended = False
        with ExitStack() as files:
            stderr = files.enter_context(self.log_path.open("ab")) if self.log_path else None
            self._process = subprocess.Popen(  # the process outlives this block
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr or subprocess.PIPE,
                text=True,
                errors="replace",
                env={**os.environ, **self.environment},
                # Ctrl-C in a terminal reaches the whole foreground group; workers are ended by us.
                start_new_session=True,
            )
        self._listeners = []
        for stream, heed in (
            (self._process.stdout, self._hear),
            (self._process.stderr, self._echo),
        ):
            if stream is not None:
                listener = threading.Thread(target=_listen, args=(stream, heed), daemon=True)
                listener.start()
                self._listeners.append(listener)

    def _echo(self, line: str) -> None:
        sys.stderr.write(line)
        if line.strip():
            self._said = line.strip()

    def _hear(self, line: str) -> None:
        try:
            event = json.loads(line)
        except ValueError:
            return  # a library printed something
        if not isinstance(event, dict) or event.get("event") not in ("begin", "end"):
            return
        if event["event"] == "begin":
            self._entry = (str(event["stage"]), int(event["index"]))
        else:
            self._entry = None
            self.deaths.clear()
        self.listen(event)

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
        for listener in self._listeners:  # what it said last tells what it died of
            listener.join(LAST_WORDS_SECONDS)
        self._process = None
        self.ended = code == 0
        if self.ended:
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
        said = self._said
        if self.log_path is not None:
            lines = self.log_path.read_text(errors="replace").strip().splitlines()
            said = lines[-1] if lines else ""
        return said.removeprefix("error: ")


def _listen(stream: IO[str], heed: Callable[[str], None]) -> None:
    with stream:
        for line in stream:
            heed(line)


class Keeper:
    """Keeps one worker running: starts it again, or condemns what it dies of.

    Args:
        run: the run's store.
        process: the worker.
        patient: whether a store that cannot be reached is waited for without limit.
        started: told of each start.
    """

    def __init__(
        self,
        run: RunStore,
        process: WorkerProcess,
        *,
        patient: bool = False,
        started: Callable[[], None] = lambda: None,
    ) -> None:
        self._run = run
        self._patient = patient
        self._started = started
        self.process = process

    def tend(self) -> bool:
        """Start the worker if it is not running, judging how it died; whether it ended well.

        Raises:
            CycleQDError: starting it again cannot help.
        """
        worker = self.process
        if worker.pid is not None:
            return False
        if worker.collect_death() is not None:
            self._judge()
        if worker.ended:
            return True
        if time.monotonic() >= worker.not_before:
            worker.start()
            self._started()
        return False

    def _judge(self) -> None:
        worker = self.process
        verdict = judge(worker.deaths, patient=self._patient)
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
        plan = self._run.plan(stage)
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
        self._run.objects.create(stage.result_key(index), result.to_bytes())


def _error_of(code: int) -> type[CycleQDError]:
    """The error whose exit status this is."""
    return next((error for error in _ERRORS if error.exit_code == code), RunFailed)
