"""Fresh folders for programs, and reading back what they left without following their links."""

# Plain paths: what is imported here is copied into every child.
# ruff: noqa: PTH102, PTH112, PTH118, PTH123, PTH208, PTH211

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress

from cycleqd.evaluation.sandbox.harness import kernel
from cycleqd.evaluation.sandbox.harness.confinement import Confinement
from cycleqd.evaluation.sandbox.programs import Limits
from cycleqd.scratch import removal

_SHARED = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108  # swept, not used
_NAMED = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def make(confinement: Confinement, limits: Limits, *, executable: bool) -> tuple[str, str]:
    """The working folder and the temporary folder of one program, both empty and its own.

    Returns:
        The way to them, absolute or relative to the place.

    Raises:
        OSError: no space, or no permission.
    """
    place = confinement.place
    if confinement.namespaces:
        flags = kernel.MS_NOSUID | kernel.MS_NODEV | (0 if executable else kernel.MS_NOEXEC)
        room = f"size={limits.disk_bytes},nr_inodes={limits.files + 4},mode=0755"
        kernel.mount("tmpfs", place, "tmpfs", flags, room)
    restore_modes(confinement)
    folders = (os.path.join(confinement.way, "home"), os.path.join(confinement.way, "tmp"))
    for folder in folders:
        os.mkdir(folder, 0o700)
        _give(folder, confinement)
    return folders


def write(folder: str, files: Mapping[str, str], confinement: Confinement) -> None:
    """Write a program's files into its still empty working folder."""
    for name, text in files.items():
        path = folder
        *parents, leaf = name.split("/")
        for parent in parents:
            path = os.path.join(path, parent)
            if not os.path.isdir(path):
                os.mkdir(path, 0o755)
                _give(path, confinement)
        path = os.path.join(path, leaf)
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        _give(path, confinement)


def link(folder: str, links: Mapping[str, str], confinement: Confinement) -> None:
    """Let a program find files of the machine by links in its still empty working folder."""
    for name, path in links.items():
        os.symlink(confinement.files[path], os.path.join(folder, name))


def _give(path: str, confinement: Confinement) -> None:
    if confinement.user is not None:
        os.chown(path, confinement.user, confinement.user)


def read(folder: str, name: str, limit: int) -> str | None:
    """The text of a regular file, up to ``limit`` bytes; None for anything else.

    Every step of the path is opened without following links: a link to a file that the harness may
    read but the program may not would otherwise leak it. Rights that the program took from the
    harness are taken back, so that what is read does not depend on who the harness is.
    """
    *parents, leaf = name.split("/")
    try:
        with ExitStack() as path:
            handle = path.enter_context(removal.opened(folder))
            for parent in parents:
                handle = path.enter_context(removal.opened(parent, handle))
            file = _open_file(leaf, handle)
    except OSError:
        return None
    if file is None:
        return None
    with os.fdopen(file, "rb") as stream:
        data = stream.read(limit + 1)
    return data.decode("utf-8", "replace") if len(data) <= limit else None


def _open_file(name: str, folder: int) -> int | None:
    """A descriptor for reading a regular file; None for anything else.

    Raises:
        OSError: there is none, or it cannot be read.
    """
    entry = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        mode = os.fstat(entry).st_mode
        if not stat.S_ISREG(mode):
            return None
        try:
            return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        except PermissionError:
            removal.set_mode(entry, stat.S_IMODE(mode) | stat.S_IRUSR)
            return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    finally:
        os.close(entry)


def overfull(confinement: Confinement, limits: Limits, deleted: int) -> bool:
    """Whether a program without a file system of its own has written more than it may.

    ``deleted`` is the size of what is in no folder any more, in bytes.

    Looks into every folder, however deep and whatever its mode; one that it cannot look into counts
    as too much, for what is not seen is not limited.
    """
    restore_modes(confinement)
    count, size = 0, deleted
    if size > limits.disk_bytes:
        return True
    try:
        for taken in _sizes(confinement.way):
            count += 1
            size += taken
            if count > limits.files + 4 or size > limits.disk_bytes:
                return True
    except OSError:
        return True
    return False


def _sizes(place: str) -> Iterator[int]:
    """The bytes that each thing below ``place`` takes on the disk.

    Raises:
        OSError: more folders wait to be looked into than files may be open, or worse.
    """
    waiting = [os.open(place, _NAMED)]
    try:
        while waiting:
            folder = waiting.pop()
            try:
                with suppress(FileNotFoundError), _searchable(folder) as handle:
                    for name in os.listdir(handle):
                        # It may go away, or become something else, at any moment.
                        with suppress(FileNotFoundError, NotADirectoryError):
                            found = os.lstat(name, dir_fd=handle)
                            yield found.st_blocks * 512
                            if stat.S_ISDIR(found.st_mode):
                                waiting.append(os.open(name, _NAMED, dir_fd=handle))
            finally:
                os.close(folder)
    finally:
        for folder in waiting:
            os.close(folder)


@contextmanager
def _searchable(folder: int) -> Iterator[int]:
    """A descriptor to list a folder that was opened by name only.

    Where a program that still runs has taken the rights to it away, they are there only as long as
    the block runs.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    taken = None
    try:
        handle = os.open(".", flags, dir_fd=folder)
    except PermissionError:
        taken = stat.S_IMODE(os.fstat(folder).st_mode)
        removal.set_mode(folder, taken | stat.S_IRUSR | stat.S_IXUSR)
        handle = os.open(".", flags, dir_fd=folder)
    try:
        yield handle
    finally:
        os.close(handle)
        if taken is not None:
            removal.set_mode(folder, taken)


def restore_modes(confinement: Confinement) -> None:
    """Give the harness back what a program took from it: the way to its own folder.

    Raises:
        OSError: it cannot.
    """
    for handle, mode in confinement.owned:
        # The owner's rights only: whatever else changed may be the owner's own doing.
        changed = stat.S_IMODE(os.fstat(handle).st_mode)
        if mode & stat.S_IRWXU & ~changed:
            removal.set_mode(handle, changed | mode & stat.S_IRWXU)


def remove(confinement: Confinement) -> bool:
    """Remove what a program left; all of its processes are gone.

    Returns:
        Whether nothing is left. By what a program can do, something is only where removing it takes
        longer than `removal.SECONDS`; else where somebody else made it immutable, his, or a mount.
    """
    if confinement.namespaces:
        kernel.unmount(confinement.place)
        return True
    if confinement.rules is None and confinement.user is not None:
        _sweep(confinement.user)
    try:
        restore_modes(confinement)
        with removal.opened(confinement.way) as place:
            return removal.empty(place)
    except OSError:
        return False


def _sweep(user: int) -> None:
    """Without Landlock a program may write where everybody may; take that back."""
    deadline = time.monotonic() + removal.SECONDS
    for place in _SHARED:
        with suppress(OSError), os.scandir(place) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    if entry.stat(follow_symlinks=False).st_uid == user:
                        removal.remove(entry.path, seconds=deadline - time.monotonic())
