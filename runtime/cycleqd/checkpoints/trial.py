"""What a checkpoint brings that computes, tried where it can be stopped. No torch.

A chat template is a program, and a tokenizer's or an adapter's expressions are others: each can be
written so that it never ends, takes all memory or breaks the library that runs it, and nothing
within a process can stop it then. So before such a thing is used it is used once in a child of this
process, with limits on computing time and memory. What the child finds is not believed: where it
ends, whoever tried goes on and finds the same.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import resource
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from cycleqd.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 10
"""Of computing; the slowest honest tokenizer is read in half of it."""
MEBIBYTES = 1024
"""Beyond what this process has; the largest honest tokenizer takes half of it."""

# On the clock, for one that waits; a busy machine must not decide who is refused.
_LONGEST_WAIT = 900.0
_FULL = 3


def tried(what: str, act: Callable[[], object], *, seconds: int = SECONDS) -> None:
    """See that something ends, by doing it in a child process first; what it raises is not told.

    Args:
        what: begins the message.
        act: it uses the processor and memory alone, and writes nothing.
        seconds: of computing that it may take.

    Raises:
        CheckpointError: it takes too long, takes too much memory, or ends its process.
    """
    child = multiprocessing.get_context("fork").Process(target=_act, args=(act, seconds))
    child.start()
    try:
        child.join(_LONGEST_WAIT)
        code = child.exitcode
    finally:
        child.kill()
        child.join()
        child.close()
    if code == 0:
        return
    raise CheckpointError(
        f"{what}: {_problem(code, seconds)}; use a checkpoint whose tokenizer, chat template and "
        "expressions are those of its family"
    )


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
