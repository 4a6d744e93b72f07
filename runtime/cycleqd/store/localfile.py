"""Files on this machine's disk, written whole and durably, and the disk's errors in our words."""

from __future__ import annotations

import errno
import os
import resource
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cycleqd.errors import StoreError, StoreFull, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHUNK = 1 << 20
# EFBIG: over RLIMIT_FSIZE or the file system's largest file.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# What a network file system says while its server is away.
_AWAY = {errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENOTCONN}
_REMEDIES = {
    errno.EACCES: "give this user the right to it, or choose another place",
    errno.EPERM: "give this user the right to it, or choose another place",
    errno.EROFS: "choose another place, or mount it writable",
    errno.EIO: "the disk fails, the kernel's log says more",
    errno.ENFILE: "all processes of this machine together may open no more, end some",
}


def remedy_of(error: OSError) -> str | None:
    """What a user can do about what the operating system said, None where that depends."""
    if error.errno in _FULL:
        return "free space there or choose another place"
    if error.errno in _AWAY:
        return "is the file server up?"
    if error.errno == errno.EMFILE:
        allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return f"a process may open {allowed} here, allow more with `ulimit -n 4096`"
    return _REMEDIES.get(error.errno or 0)


def store_error(what: str, error: OSError) -> StoreError:
    """The store's error for what the operating system said, with its remedy.

    Args:
        what: opens the message, ``cannot read a/plan.json in /stores/run`` for instance.
        error: the operating system's.
    """
    kind = StoreError
    if error.errno in _FULL:
        kind = StoreFull
    elif error.errno in _AWAY:
        kind = StoreUnavailable
    reason = f"{what}: {error.strerror or error}"
    remedy = remedy_of(error)
    return kind(f"{reason}; {remedy}" if remedy else reason)


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """Turn an `OSError` inside the block into the store's errors, ``what`` opening the message.

    Raises:
        StoreFull: no space, quota or file size left.
        StoreUnavailable: the disk's server is away.
        StoreError: anything else.
    """
    try:
        yield
    except OSError as error:
        raise store_error(what, error) from error


def write_all(descriptor: int, data: bytes | memoryview, offset: int | None = None) -> None:
    """Write every byte, at ``offset`` or at the file's position; a write may stop short."""
    rest = memoryview(data)
    while rest:
        if offset is None:
            written = os.write(descriptor, rest)
        else:
            written = os.pwrite(descriptor, rest, offset)
            offset += written
        rest = rest[written:]


def sync_folder(folder: Path) -> None:
    """Make the folder's entries durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, durably; existing ones are left alone."""
    if folder.is_dir():
        return
    if folder.parent != folder:
        make_folder(folder.parent)
    try:
        folder.mkdir()
    except FileExistsError:
        if not folder.is_dir():
            raise
    sync_folder(folder.parent)


@contextmanager
def atomic_file(path: Path) -> Iterator[int]:
    """A descriptor to write and read; the file takes its name when the block ends well.

    Raises:
        StoreFull: no space is left.
        StoreError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
    with disk_errors(f"cannot write {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            yield descriptor
            os.fsync(descriptor)
            part.replace(path)
            sync_folder(path.parent)
        finally:
            os.close(descriptor)
            part.unlink(missing_ok=True)
