"""Running a command of the system with a time limit, and saying what is going on."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SECONDS = 60.0


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


def say(message: str) -> None:
    """One line of progress."""
    print(f"cluster: {message}", file=sys.stderr, flush=True)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Say what begins, and how long it took."""
    say(f"{what} ...")
    started = time.monotonic()
    yield
    say(f"{what}: {time.monotonic() - started:.0f} s")
