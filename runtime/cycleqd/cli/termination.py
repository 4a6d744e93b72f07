"""What SIGTERM does to a process that has something to put away."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType
from typing import NoReturn

TERMINATED = 128 + signal.SIGTERM


def exit_on_sigterm(grace_seconds: float) -> None:
    """From now on SIGTERM unwinds the main thread and exits with 143, in that time at the latest.

    Args:
        grace_seconds: less than what follows it by a kill.
    """

    def terminate(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - given
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        timer = threading.Timer(grace_seconds, os._exit, (TERMINATED,))
        timer.daemon = True
        timer.start()
        sys.exit(TERMINATED)

    signal.signal(signal.SIGTERM, terminate)
