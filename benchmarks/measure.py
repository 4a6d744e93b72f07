"""Time and peak added anonymous memory of one piece of work."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def anonymous_megabytes() -> float:
    """Memory of this process that no file backs; mapped checkpoints are left out."""
    status = Path("/proc/self/status").read_text()
    found = re.search(r"RssAnon:\s+(\d+)", status)
    assert found is not None
    return int(found[1]) / 1024


def measure(work: Callable[[], object]) -> tuple[float, float]:
    """Run once.

    Returns:
        Seconds, and megabytes of anonymous memory at the peak above the beginning.
    """
    before = peak = anonymous_megabytes()
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.01):
            peak = max(peak, anonymous_megabytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        begin = time.perf_counter()
        work()
        seconds = time.perf_counter() - begin
    finally:
        done.set()
        watcher.join()
    return seconds, max(peak, anonymous_megabytes()) - before
