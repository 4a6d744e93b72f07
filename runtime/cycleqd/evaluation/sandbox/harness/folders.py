"""Fresh folders for programs, and reading back what they left without following their links."""

# Plain paths: what is imported here is copied into every child.
# ruff: noqa: PTH101, PTH102, PTH108, PTH112, PTH114, PTH118, PTH123, PTH208

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Mapping

from cycleqd.evaluation.sandbox.harness import kernel
from cycleqd.evaluation.sandbox.harness.confinement import Confinement
from cycleqd.evaluation.sandbox.programs import Limits

_SHARED = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108  # swept, not used


def make(confinement: Confinement, limits: Limits, *, executable: bool) -> tuple[str, str]:
    """The working folder and the temporary folder of one program, both empty and its own.

    Raises:
        OSError: no space, or no permission.
    """
    place = confinement.place
    if confinement.namespaces:
        flags = kernel.MS_NOSUID | kernel.MS_NODEV | (0 if executable else kernel.MS_NOEXEC)
        room = f"size={limits.disk_bytes},nr_inodes={limits.files + 4},mode=0755"
        kernel.mount("tmpfs", place, "tmpfs", flags, room)
    folders = (os.path.join(place, "home"), os.path.join(place, "tmp"))
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


def _give(path: str, confinement: Confinement) -> None:
    if confinement.user is not None:
        os.chown(path, confinement.user, confinement.user)


def read(folder: str, name: str, limit: int) -> str | None:
    """The text of a regular file, up to ``limit`` bytes; None for anything else.

    Every step of the path is opened without following links: a link to a file that the harness may
    read but the program may not would otherwise leak it.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        *parents, leaf = name.split("/")
        for parent in parents:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
            deeper = os.open(parent, flags, dir_fd=handle)
            os.close(handle)
            handle = deeper
        # Not blocking, since the leaf may be a pipe.
        file = os.open(leaf, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=handle)
    except OSError:
        return None
    finally:
        os.close(handle)
    with os.fdopen(file, "rb") as stream:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            return None
        data = stream.read(limit + 1)
    return data.decode("utf-8", "replace") if len(data) <= limit else None


def overfull(confinement: Confinement, limits: Limits) -> bool:
    """Whether a program without a file system of its own has written more than it may."""
    count = size = 0
    for parent, folders, files in os.walk(confinement.place):
        for name in (*folders, *files):
            count += 1
            try:
                size += os.lstat(os.path.join(parent, name)).st_blocks * 512
            except OSError:
                continue  # it went away meanwhile
            if count > limits.files + 4 or size > limits.disk_bytes:
                return True
    return False


def remove(confinement: Confinement) -> None:
    """Remove what a program left; all of its processes are gone."""
    if confinement.namespaces:
        kernel.unmount(confinement.place)
        return
    for name in os.listdir(confinement.place):
        path = os.path.join(confinement.place, name)
        for parent, folders, _ in os.walk(path):
            for folder in folders:
                inside = os.path.join(parent, folder)
                if not os.path.islink(inside):
                    os.chmod(inside, 0o700)
        shutil.rmtree(path, ignore_errors=True)
    if confinement.rules is None and confinement.user is not None:
        _sweep(confinement.user)


def _sweep(user: int) -> None:
    """Without Landlock a program may write where everybody may; take that back."""
    for place in _SHARED:
        if not os.path.isdir(place):
            continue
        for entry in os.scandir(place):
            if entry.stat(follow_symlinks=False).st_uid == user:
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    os.unlink(entry.path)
