"""What a checkpoint brings that computes, tried where it can be stopped. No torch.

A chat template is a program, and a tokenizer's or an adapter's expressions are others: each can be
written so that it never ends, takes all memory or breaks the library that runs it, and nothing
within a process can stop it then. So before such a thing is used it is used once in a child of this
process, with limits on computing time and memory. What the child finds is not believed: where it
ends, whoever tried goes on and finds the same.

The child is a fork: a fresh process would import transformers each time, for seconds. What another
thread of this process held while it forked (the lock of a module that it imported, say) nobody
gives back in the child, which may then wait for ever. What is tried never waits, so a child that
sleeps is taken for such a one, and another is made.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import resource
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from cycleqd.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.context import ForkProcess

SECONDS = 10
"""Of computing; the slowest honest tokenizer is read in half of it."""
MEBIBYTES = 1024
"""Beyond what this process has; the largest honest tokenizer takes half of it."""

# On the clock, for one that waits; a busy machine must not decide who is refused.
_LONGEST_WAIT = 900.0
_LOOK_SECONDS = 0.5
# Asleep without computing at every look; one that waits for the processor or a disk is not asleep.
_STUCK_SECONDS = 20.0
_ATTEMPTS = 5
_FULL = 3


def tried(what: str, act: Callable[[], object], *, seconds: int = SECONDS) -> None:
    """See that something ends, by doing it in a child process first; what it raises is not told.

    Args:
        what: begins the message.
        act: it uses the processor and memory alone, waits for nobody, and writes nothing.
        seconds: of computing that it may take.

    Raises:
        CheckpointError: it takes too long, takes too much memory, or ends its process.
    """
    code = None
    for _ in range(_ATTEMPTS):
        child = multiprocessing.get_context("fork").Process(target=_act, args=(act, seconds))
        child.start()
        try:
            stuck = _is_stuck(child)
            code = child.exitcode
        finally:
            child.kill()
            child.join()
            child.close()
        if code == 0:
            return
        if not stuck:
            break
    raise CheckpointError(
        f"{what}: {_problem(code, seconds)}; use a checkpoint whose tokenizer, chat template and "
        "expressions are those of its family"
    )


def _is_stuck(child: ForkProcess) -> bool:
    """Wait for a child's end; whether it slept instead."""
    now = time.monotonic()
    deadline, known, since = now + _LONGEST_WAIT, "", now
    while now < deadline:
        child.join(_LOOK_SECONDS)
        if child.exitcode is not None:
            return False
        now = time.monotonic()
        found = _sleep(child.pid)
        if not found or found != known:
            known, since = found, now
        elif now - since >= _STUCK_SECONDS:
            return True
    return False


def _sleep(process: int | None) -> str:
    """How long one that sleeps has computed, the same words until it computes again; else empty."""
    try:
        told = Path(f"/proc/{process}/stat").read_text()
    except OSError:  # it has ended, or this is no Linux
        return ""
    state, *numbers = told.rpartition(")")[2].split()
    return " ".join(numbers[10:12]) if state == "S" else ""


def _problem(code: int | None, seconds: int) -> str:
    if code is None:
        return "does not end"
    if code == -signal.SIGXCPU:
        return f"takes more than {seconds} seconds of computing"
    if code == -signal.SIGKILL:
        return "was ended by this machine, as where memory runs out"
    # A library that gets no memory ends its process.
    if code in (_FULL, -signal.SIGABRT):
        return f"takes more than {MEBIBYTES} MiB of memory"
    return "breaks the library that reads it"


def _act(act: Callable[[], object], seconds: int) -> None:
    """Be the child; does not return."""
    code = 0
    try:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(nowhere, standard)
        _limit(seconds)
        act()
    except MemoryError:
        code = _FULL
    except BaseException:  # noqa: BLE001, S110 - who tried comes to it again, and tells it
        pass
    finally:
        os._exit(code)


def _limit(seconds: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    status = Path("/proc/self/status")
    if status.exists():  # on Linux, where the limit is kept
        has = re.search(r"VmData:\s+(\d+) kB", status.read_text())
        assert has is not None
        most = (int(has[1]) << 10) + (MEBIBYTES << 20)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
