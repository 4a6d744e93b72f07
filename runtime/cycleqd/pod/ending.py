"""How a process of a pod ends: its exit status and its last words.

The operator judges a run by how its pods ended: by the statuses of `cycleqd.errors` and by the
termination message, a `cycleqd.contract.progress.PodFailure`. A pod that is told to stop (suspend,
preemption, drain) exits with 143 and no message: that is no failure.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cycleqd.contract.progress import PodFailure
from cycleqd.errors import CycleQDError

log = logging.getLogger(__name__)


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
