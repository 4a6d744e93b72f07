"""What a running program uses of what no limit of the kernel's holds.

The kernel limits the memory of each process alone, so where a program may start some, what all of
them take together is looked at every now and then.

Without namespaces its folder is one of the machine's, so it is looked into as well, and so are its
processes: a file that was deleted takes its place on the disk for as long as one of them holds it
open or mapped. In a container, where the kernel would count the processes of other containers too,
their number is looked at.
"""

# Plain paths: what is imported here is copied into every child.
# ruff: noqa: PTH112, PTH116, PTH123, PTH208

from __future__ import annotations

import math
import os
import stat
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress

from cycleqd.evaluation.sandbox.harness import folders, killing
from cycleqd.evaluation.sandbox.harness.confinement import Confinement
from cycleqd.evaluation.sandbox.programs import Limits

_EVERY_SECONDS = 0.1
_DELETED = " (deleted)\n"
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Watch:
    """Looks at the program that runs, not too often.

    Args:
        confinement: what the program runs in.
        limits: what it may use.
        processes: whether it may start some.
    """

    def __init__(self, confinement: Confinement, limits: Limits, *, processes: bool) -> None:
        self._confinement = confinement
        self._limits = limits
        self._processes = processes
        # A file system of its own is full by itself; with namespaces there may be no /proc.
        needless = confinement.namespaces and not (processes and os.path.isdir("/proc/self"))
        self.next = math.inf if needless else time.monotonic() + _EVERY_SECONDS

    def excessive(self) -> bool:
        """Whether it uses more than it may; False before the time of the next look."""
        if time.monotonic() < self.next:
            return False
        confinement, limits = self._confinement, self._limits
        processes = killing.descendants(os.getpid())
        if confinement.counted and killing.tasks(processes) > limits.processes:
            return True
        # In namespaces the harness may look as it is, and who changes its user there outlives the
        # worker: the kernel forgets the signal of a parent's death.
        with _looking_as(None if confinement.namespaces else confinement.user):
            if self._processes and taken(processes, limits.memory_bytes) > limits.memory_bytes:
                return True
            deleted = 0 if confinement.namespaces else held(processes, confinement.place)
        excessive = not confinement.namespaces and folders.overfull(confinement, limits, deleted)
        self.next = time.monotonic() + _EVERY_SECONDS
        return excessive


def taken(processes: Collection[int], enough: int) -> int:
    """The bytes of memory that processes take together.

    What several share (after a fork, of a library) counts once, in parts. Finding that out walks
    through all their memory, so it is left out where the sum in which it counts several times,
    which is never less, is not above `enough`.
    """
    whole = sum(map(_resident, processes))
    return whole if whole <= enough else sum(map(_share, processes))


def _resident(process: int) -> int:
    with suppress(OSError), open(f"/proc/{process}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * _PAGE
    return 0  # it ended meanwhile


def _share(process: int) -> int:
    """A process's share of the memory that it takes."""
    try:
        return _kilobytes(f"/proc/{process}/smaps_rollup", ("Pss:", "SwapPss:"))
    except OSError:
        pass
    # One that lets nobody look (it is not dumpable) pays for what it shares, but not for files.
    try:
        return _kilobytes(f"/proc/{process}/status", ("RssAnon:", "RssShmem:", "VmSwap:"))
    except OSError:
        return 0  # it ended meanwhile


def _kilobytes(path: str, names: tuple[str, ...]) -> int:
    """The sum of some of the kernel's figures, in bytes.

    Raises:
        OSError: the process has ended, or lets nobody look.
    """
    with open(path, encoding="ascii", errors="replace") as file:
        return sum(1024 * int(line.split()[1]) for line in file if line.startswith(names))


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
