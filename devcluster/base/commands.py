"""Running a command of the system with a time limit, and saying what is going on.

What takes minutes says every few seconds how far it is, with or without a terminal: silence for a
quarter of an hour looks like a fault.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

SECONDS = 60.0
NEWS_SECONDS = 10.0
DETAIL_LENGTH = 100


class CommandError(Exception):
    """A command failed; the message has the end of what it wrote."""


def run(
    *command: str | Path,
    seconds: float = SECONDS,
    check: bool = True,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    text: str = "",
) -> str:
    """Run a command and return its standard output.

    Args:
        command: program and arguments.
        seconds: time limit.
        check: whether a failure raises.
        env: the whole environment, this process's by default.
        cwd: where it runs.
        text: its standard input.

    Raises:
        CommandError: it failed or took too long.
    """
    parts = [str(part) for part in command]
    try:
        done = subprocess.run(
            parts,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
            env=None if env is None else dict(env),
            cwd=cwd,
            input=text,
        )
    except FileNotFoundError as error:
        raise CommandError(f"there is no {parts[0]} on this machine") from error
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"{' '.join(parts)} took over {seconds:.0f} s") from error
    if check and done.returncode != 0:
        wrote = (done.stderr + done.stdout)[-3000:].strip()
        raise CommandError(f"{' '.join(parts)} failed with {done.returncode}:\n{wrote}")
    return done.stdout


def follow(
    *command: str | Path, seconds: float, tell: Callable[[str], None], cwd: Path | None = None
) -> None:
    """Run a command that takes long, and pass on what it writes, line by line.

    Args:
        command: program and arguments.
        seconds: time limit.
        tell: takes each line of its standard output and error.
        cwd: where it runs.

    Raises:
        CommandError: it failed or took too long.
    """
    parts = [str(part) for part in command]
    lines: list[str] = []
    try:
        process = subprocess.Popen(
            parts,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd=cwd,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise CommandError(f"there is no {parts[0]} on this machine") from error
    late = threading.Event()

    def end() -> None:
        # Its own children too, which would keep the pipe open.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    def end_late() -> None:
        late.set()
        end()

    limit = threading.Timer(seconds, end_late)
    limit.start()
    try:
        with process:
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line)
                tell(line.rstrip())
    except BaseException:
        end()
        raise
    finally:
        limit.cancel()
    if late.is_set():
        raise CommandError(f"{' '.join(parts)} took over {seconds:.0f} s")
    if process.returncode != 0:
        wrote = "".join(lines)[-3000:].strip()
        raise CommandError(f"{' '.join(parts)} failed with {process.returncode}:\n{wrote}")


def say(message: str) -> None:
    """One line of progress."""
    print(f"cluster: {message}", file=sys.stderr, flush=True)


class Step:
    """Something that takes a while.

    Attributes:
        what: it is.
        usual_seconds: what it takes on two quiet cores, None where nobody knows.
    """

    def __init__(self, what: str, usual_seconds: float | None) -> None:
        self.what = what
        self.usual_seconds = usual_seconds
        self._started = time.monotonic()
        self._detail = ""

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._started

    def tell(self, line: str) -> None:
        """Take note of where it is; said with the next news."""
        if line.strip():
            self._detail = line.strip()[:DETAIL_LENGTH]

    def news(self) -> str:
        """How far it is, in one line."""
        usual = f" (usually {self.usual_seconds:.0f} s)" if self.usual_seconds else ""
        detail = f": {self._detail}" if self._detail else ""
        return f"{self.what}: {self.seconds:.0f} s{usual}{detail}"


@contextmanager
def step(what: str, usual_seconds: float | None = None) -> Iterator[Step]:
    """Say what begins, every few seconds how far it is, and how long it took."""
    usual = f" (usually {usual_seconds:.0f} s)" if usual_seconds else ""
    say(f"{what} ...{usual}")
    current = Step(what, usual_seconds)
    ended = threading.Event()

    def keep_saying() -> None:
        while not ended.wait(NEWS_SECONDS):
            say(current.news())

    # A daemon: whatever ends the command must not wait for news.
    threading.Thread(target=keep_saying, daemon=True).start()
    try:
        yield current
    finally:
        ended.set()
    say(f"{what}: {current.seconds:.0f} s")
