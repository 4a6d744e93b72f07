"""A temporary folder that the next process sweeps if its own is killed.

``with``, ``finally`` and ``atexit`` do not run in a process that is killed, so its folders would
stay for ever. A scratch folder is therefore locked (``flock`` on the folder itself) as long as its
process lives, however it ends. The first time a process makes one in a place, it removes those of
this user there whose lock nobody holds. Their names say whose they are: ``cycleqd-scratch-`` and
what for.

A sweep never touches a folder of a living process, of another user, or of another name, follows no
link, is bounded in time, and never fails: what cannot be removed stays.
"""

from __future__ import annotations

import fcntl
import os
import re
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from cycleqd.scratch import removal

SWEEP_SECONDS = 10.0
"""How long a sweep may hold up the process that starts."""

_PREFIX = "cycleqd-scratch-"
_NAME = re.compile(rf"{_PREFIX}[a-z]+-[a-z0-9_]{{8}}")
_ATTEMPTS = 10
_swept: set[Path] = set()
_sweeping = threading.Lock()


class ScratchFolder:
    """A new, empty, private folder.

    Args:
        purpose: what it is for, in lower-case letters; becomes part of its name.
        parent: where to make it; default: the folder for temporary files.

    Attributes:
        path: where it is.
        lock: descriptor that keeps it from being swept while it, or a copy of it in another
            process, is open.
    """

    def __init__(self, purpose: str, parent: Path | None = None) -> None:
        parent = Path(tempfile.gettempdir() if parent is None else parent).absolute()
        with _sweeping:
            if parent not in _swept:
                _swept.add(parent)
                sweep(parent)
        self.path, self.lock = _locked(f"{_PREFIX}{purpose}-", parent)
        self._open = True

    def close(self) -> None:
        """Remove it by force; may be called twice."""
        if self._open:
            self._open = False
            removal.remove(self.path)
            os.close(self.lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@contextmanager
def scratch_folder(purpose: str, parent: Path | None = None) -> Iterator[Path]:
    """A new, empty, private folder for the block, removed afterwards.

    Args:
        purpose: what it is for, in lower-case letters; becomes part of its name.
        parent: where to make it; default: the folder for temporary files.
    """
    with ScratchFolder(purpose, parent) as folder:
        yield folder.path


def _locked(prefix: str, parent: Path) -> tuple[Path, int]:
    """Make a folder and lock it; another one if a sweep came between the two."""
    for _ in range(_ATTEMPTS):
        path = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        try:
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        except OSError:
            pass  # A file system without locks: nobody can lock it, so nobody will sweep it.
        with suppress(FileNotFoundError):
            if os.path.samestat(path.lstat(), os.fstat(lock)):
                return path, lock
        os.close(lock)
    raise FileNotFoundError(f"{parent}: folders made here are removed by others at once")


def sweep(parent: Path, *, seconds: float = SWEEP_SECONDS) -> None:
    """Remove the scratch folders in ``parent`` that processes of this user left when they died."""
    deadline = time.monotonic() + seconds
    with suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            left = deadline - time.monotonic()
            if left <= 0:
                return
            if _NAME.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                with suppress(OSError):
                    _sweep_one(entry.path, left)


def _sweep_one(path: str, seconds: float) -> None:
    with removal.opened(path) as handle:
        if os.fstat(handle).st_uid != os.geteuid():
            return
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        removal.remove(path, seconds=seconds)
