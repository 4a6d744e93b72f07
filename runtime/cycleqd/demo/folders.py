"""Folders that exist only when they are complete, and one maker of a folder at a time.

A piece of the demo is made in a temporary folder next to its place and renamed at the end. So a
kill at any instant leaves either no piece or a whole one, and the next call goes on from there.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cycleqd.errors import InputError

_PARTIAL = ".partial-"


@contextmanager
def made_whole(target: Path) -> Iterator[Path]:
    """A temporary folder that becomes ``target`` when the block ends without an error."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=target.parent))
    try:
        yield partial
        # mkdtemp and the safetensors writer make private files; other users read models too.
        partial.chmod(0o755)
        for file in partial.iterdir():
            file.chmod(0o644)
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_whole(target: Path, text: str) -> None:
    """Write a text file that is never seen half written."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(prefix=_PARTIAL, dir=target.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    Path(partial).chmod(0o644)
    Path(partial).rename(target)


@contextmanager
def sole_maker(folder: Path) -> Iterator[None]:
    """Hold a folder against other processes and sweep what killed ones left behind.

    Raises:
        InputError: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"{folder}: another process is making the demo here; wait for it or choose "
                "another folder"
            ) from None
        for left in folder.rglob(f"{_PARTIAL}*"):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)
        yield
