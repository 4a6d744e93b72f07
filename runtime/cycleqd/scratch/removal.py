"""Removing a folder by force: whatever its modes, depth, names and links are.

What a generated program leaves may be a folder without any permission, a chain of folders deeper
than a path can name, Python can recurse or a process can open, names of any bytes, or a link, a
pipe or a socket where a folder was. So everything here goes by open folders instead of paths, on a
stack instead of recursion, and what lies too deep for the stack is moved up first. No link is
followed: of anything but a folder only the entry is removed.

The processes that wrote there have ended. If one has not, the removal may fail, but it never leaves
the folder.
"""

# Plain calls by folder descriptors: the harness of the sandbox copies this into every child.
# ruff: noqa: PTH101, PTH106, PTH208

from __future__ import annotations

import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

SECONDS = 10.0
"""How long a removal may take before it gives up."""

_DEPTH = 100
_FOLDER = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def opened(name: str, within: int | None = None) -> Iterator[int]:
    """A folder's descriptor for reading; takes back the right to do so where it is missing.

    Args:
        name: its name within the folder, or a path.
        within: descriptor of the folder that holds it.

    Raises:
        OSError: it is no folder (a link to one is none), or not this user's.
    """
    try:
        handle = os.open(name, os.O_RDONLY | _FOLDER, dir_fd=within)
    except PermissionError:
        handle = _take(name, within, stat.S_IRUSR | stat.S_IXUSR)
    try:
        yield handle
    finally:
        os.close(handle)


def set_mode(handle: int, mode: int) -> None:
    """Change the mode of an open file; unlike ``fchmod`` also of one opened by name only.

    Raises:
        OSError: it is not this user's.
    """
    os.chmod(f"/proc/self/fd/{handle}", mode)


def remove(path: str | Path, *, seconds: float = SECONDS) -> bool:
    """Remove a folder and everything in it, or whatever else is there.

    Args:
        path: what to remove; links on the way there are followed, one at its end is not.
        seconds: when to give up.

    Returns:
        Whether it is gone. It is not where something in it belongs to another user, is immutable or
        is mounted there, or where the time was too short.
    """
    try:
        if not _unlinked(str(path), None):
            folder = _take(str(path), None)
            try:
                empty(folder, seconds=seconds)
            finally:
                os.close(folder)
            os.rmdir(path)
    except OSError:
        return not os.path.lexists(path)
    return True


def empty(folder: int, *, seconds: float = SECONDS) -> bool:
    """Remove everything in an open folder.

    Returns:
        Whether it is empty now; see `remove`.
    """
    deadline = time.monotonic() + seconds
    try:
        while names := os.listdir(folder):
            # What lay too deep now lies in the folder itself, until a round removes nothing.
            gone = [_removed(name, folder, deadline) for name in names]
            if not any(gone):
                return False
    except OSError:
        return False
    return True


@dataclass
class _Level:
    """A folder that is being removed: its name in the one above, and what is left in it."""

    name: str
    handle: int
    left: list[str]


def _removed(name: str, top: int, deadline: float) -> bool:
    """Remove one entry of ``top``; folders too deep in it are moved up into ``top`` instead."""
    levels = [_Level("", top, [name])]
    try:
        while time.monotonic() < deadline:
            level = levels[-1]
            try:
                if level.left:
                    inner = level.left.pop()
                    if not _unlinked(inner, level.handle):
                        _enter(inner, levels)
                elif len(levels) > 1:
                    levels.pop()
                    os.close(level.handle)
                    os.rmdir(level.name, dir_fd=levels[-1].handle)
                else:
                    return not _exists(name, top)
            except OSError:
                continue  # It stays, and so do the folders that it is in.
        return False
    finally:
        for level in levels[1:]:
            os.close(level.handle)


def _enter(name: str, levels: list[_Level]) -> None:
    above, top = levels[-1].handle, levels[0].handle
    handle = _take(name, above)
    if len(levels) > _DEPTH:
        os.close(handle)  # It was opened for the right to move it: its own entry ".." changes.
        os.rename(name, secrets.token_hex(16), src_dir_fd=above, dst_dir_fd=top)
        return
    levels.append(_Level(name, handle, []))
    levels[-1].left = os.listdir(handle)


def _exists(name: str, within: int) -> bool:
    try:
        os.lstat(name, dir_fd=within)
    except FileNotFoundError:
        return False
    return True


def _unlinked(name: str, within: int | None) -> bool:
    """Remove anything but a folder; False for a folder.

    Raises:
        OSError: it is no folder and cannot be removed.
    """
    try:
        os.unlink(name, dir_fd=within)
    except IsADirectoryError:
        return False
    return True


def _take(name: str, within: int | None, rights: int = stat.S_IRWXU) -> int:
    """Open a folder after giving its owner rights to it, without following a link.

    Raises:
        OSError: it is no folder, or another user's.
    """
    entry = os.open(name, os.O_PATH | _FOLDER, dir_fd=within)
    try:
        found = os.fstat(entry)
        if os.geteuid() == 0 and found.st_uid != 0:
            # Root without the capabilities that pass over owners and modes can still do this.
            with suppress(PermissionError):
                os.chown(f"/proc/self/fd/{entry}", 0, 0)
        if found.st_mode & rights != rights:
            set_mode(entry, stat.S_IMODE(found.st_mode) | rights)
        return os.open(".", os.O_RDONLY | _FOLDER, dir_fd=entry)
    finally:
        os.close(entry)
