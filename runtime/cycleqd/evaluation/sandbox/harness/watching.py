"""What a running program uses of what no limit of the kernel's holds, without namespaces.

There its folder is one of the machine's, so it is looked into every now and then, and so are its
processes: a file that was deleted takes its place on the disk for as long as one of them holds it
open or mapped. In a container, where the kernel would count the processes of other containers too,
their number is looked at as well.
"""

# Plain paths: what is imported here is copied into every child.
# ruff: noqa: PTH116, PTH123, PTH208

from __future__ import annotations

import math
import os
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from cycleqd.evaluation.sandbox.harness import folders, killing
from cycleqd.evaluation.sandbox.harness.confinement import Confinement
from cycleqd.evaluation.sandbox.programs import Limits

_EVERY_SECONDS = 0.1
_DELETED = " (deleted)\n"


class Watch:
    """Looks at the program that runs, not too often.

    Args:
        confinement: what the program runs in.
        limits: what it may use.
    """

    def __init__(self, confinement: Confinement, limits: Limits) -> None:
        self._confinement = confinement
        self._limits = limits
        # A file system of its own is full by itself.
        self.next = math.inf if confinement.namespaces else time.monotonic() + _EVERY_SECONDS

    def excessive(self) -> bool:
        """Whether it uses more than it may; False before the time of the next look."""
        if time.monotonic() < self.next:
            return False
        confinement, limits = self._confinement, self._limits
        processes = killing.descendants(os.getpid())
        if confinement.counted and sum(map(_tasks, processes)) > limits.processes:
            return True
        with _looking_as(confinement.user):
            deleted = held(processes, confinement.place)
        excessive = folders.overfull(confinement, limits, deleted)
        self.next = time.monotonic() + _EVERY_SECONDS
        return excessive


def held(processes: Iterable[int], place: str) -> int:
    """The bytes of files deleted from a folder that processes hold open, or mapped."""
    sizes: dict[int, int] = {}
    for process in processes:
        # One that has just ended holds nothing.
        with suppress(OSError):
            for name in os.listdir(f"/proc/{process}/fd"):
                with suppress(OSError):
                    found = os.stat(f"/proc/{process}/fd/{name}")
                    if stat.S_ISREG(found.st_mode) and found.st_nlink == 0:
                        sizes[found.st_ino] = found.st_blocks * 512
        with suppress(OSError), open(f"/proc/{process}/maps", errors="replace") as maps:
            for line in maps:
                if f" {place}/" in line and line.endswith(_DELETED):
                    addresses, _, _, _, number = line.split()[:5]
                    start, end = (int(part, 16) for part in addresses.split("-"))
                    sizes.setdefault(int(number), end - start)
    return sum(sizes.values())


def _tasks(process: int) -> int:
    try:
        return len(os.listdir(f"/proc/{process}/task"))
    except OSError:
        return 0  # it ended meanwhile


@contextmanager
def _looking_as(user: int | None) -> Iterator[None]:
    """Look as the user of programs: else root without its capabilities sees no files of theirs.

    They cannot touch this process meanwhile, for its real and its saved user stay.
    """
    if user is None:
        yield
        return
    own, group = os.geteuid(), os.getegid()
    os.setegid(user)
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(own)
        os.setegid(group)
