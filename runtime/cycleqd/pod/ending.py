"""How a process of a pod ends: its exit status, its last words, and SIGTERM.

The operator judges a run by how its pods ended: by the statuses of `cycleqd.errors` and by the
termination message, a `cycleqd.contract.progress.PodFailure`. A pod that is told to stop (suspend,
preemption, drain) exits with 143 and no message: that is no failure.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

from cycleqd.contract.progress import PodFailure
from cycleqd.errors import CycleQDError

log = logging.getLogger(__name__)

TERMINATED = 128 + signal.SIGTERM


@contextmanager
def told_why(termination_log: Path) -> Iterator[None]:
    """Leave the reason behind when the block fails.

    An exception that is none of `cycleqd.errors` ends the process with 70, a fault of ours: the
    interpreter's own 1 would say that the run has failed.
    """
    try:
        yield
    except CycleQDError as error:
        _tell(
            termination_log,
            PodFailure(reason=type(error).__name__, message=str(error), exit_code=error.exit_code),
        )
        raise
    except Exception as error:
        log.exception("unexpected")
        code = CycleQDError.exit_code
        message = f"unexpected {type(error).__name__}: {error}; please report it with the pod's log"
        _tell(termination_log, PodFailure(reason="InternalError", message=message, exit_code=code))
        sys.exit(code)


def _tell(path: Path, failure: PodFailure) -> None:
    try:
        path.write_text(failure.to_json(), "utf-8")
    except OSError as error:
        log.warning("%s: the termination message cannot be written: %s", path, error)


def exit_on_sigterm(grace_seconds: float) -> None:
    """From now on SIGTERM unwinds the main thread and exits with 143, in that time at the latest.

    Args:
        grace_seconds: one of `cycleqd.contract.pods.EXIT_SECONDS`.
    """

    def terminate(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - given
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        timer = threading.Timer(grace_seconds, os._exit, (TERMINATED,))
        timer.daemon = True
        timer.start()
        sys.exit(TERMINATED)

    signal.signal(signal.SIGTERM, terminate)
