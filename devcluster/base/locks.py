"""One process at a time: what several test processes or commands would make twice at once."""

from __future__ import annotations

import fcntl
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

POLL_SECONDS = 0.2


@contextmanager
def held(path: Path, seconds: float) -> Iterator[None]:
    """Hold an exclusive lock on a file, which is made where it is missing and stays.

    The lock goes with the process, however that ends.

    Args:
        path: the file.
        seconds: how long to wait for whoever holds it.

    Raises:
        TimeoutError: it is still held.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + seconds
    with path.open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise TimeoutError(
                        f"another process holds {path} for over {seconds:.0f} s"
                    ) from None
                time.sleep(POLL_SECONDS)
        yield
