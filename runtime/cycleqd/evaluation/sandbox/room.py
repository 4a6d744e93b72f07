"""How many programs run side by side: one always, others where there is room for them.

A verdict must not depend on who else runs: a program that got too little of the processor would run
into its clock, one whose memory another took would be killed. So each program beside the first
needs a core that no other worker on this machine gave away, and memory for all that it may use.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

MOST_SLOTS = 8
"""How many programs of one worker run side by side at the most."""

_NAME = "cycleqd-sandbox-core"
_GROUP = Path("/sys/fs/cgroup")
_MEMORY = Path("/proc/meminfo")


class SpareCores:
    """Cores for programs beside each worker's first, claimed from those of the machine.

    A claim is an abstract Unix socket of the core's name, which the kernel releases when the
    process ends, however it ends. Every worker runs one program without a claim.

    Args:
        wanted: how many programs may run side by side.
        memory_bytes: what each may use.
    """

    def __init__(self, wanted: int, memory_bytes: int) -> None:
        self._claims: list[socket.socket] = []
        if wanted < 2:
            return
        fitting = free_memory() // max(1, memory_bytes)
        for core in range(1, cores()):
            if len(self._claims) + 1 >= min(wanted, fitting):
                return
            claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                claim.bind(f"\0{_NAME}-{core}")
            except OSError:
                claim.close()
            else:
                self._claims.append(claim)

    @property
    def slots(self) -> int:
        """How many programs may run side by side now, the worker's first one included."""
        return 1 + len(self._claims)

    def release(self) -> None:
        """Give them back; may be called twice."""
        while self._claims:
            self._claims.pop().close()


def cores(group: Path = _GROUP) -> int:
    """The cores of this process: those that it may run on, and no more than its container's share.

    Args:
        group: where the container's control group is found.
    """
    allowed = len(os.sched_getaffinity(0))
    quota, _, period = _read(group / "cpu.max").partition(" ")
    if not quota:
        quota = _read(group / "cpu" / "cpu.cfs_quota_us")
        period = _read(group / "cpu" / "cpu.cfs_period_us")
    if quota.isdigit() and period.isdigit() and int(period) > 0:
        allowed = min(allowed, int(quota) // int(period))
    return max(1, allowed)


def free_memory(group: Path = _GROUP, memory: Path = _MEMORY) -> int:
    """Bytes of memory that programs could still take, of the machine's and of the container's.

    Args:
        group: where the container's control group is found.
        memory: what the kernel says about the machine's memory.
    """
    free = [1024 * _figure(memory, "MemAvailable:")]
    for folder, most, used, cached in (
        (group, "memory.max", "memory.current", "inactive_file"),
        (
            group / "memory",
            "memory.limit_in_bytes",
            "memory.usage_in_bytes",
            "total_inactive_file",
        ),
    ):
        limit, taken = _read(folder / most), _read(folder / used)
        if limit.isdigit() and taken.isdigit():
            # Copies of files, such as a model's that was read, give way.
            kept = int(taken) - _figure(folder / "memory.stat", cached)
            free.append(max(0, int(limit) - max(0, kept)))
    return min(free)


def _figure(file: Path, name: str) -> int:
    """The number after a name in one of the kernel's tables; 0 where there is none."""
    for line in _read(file).splitlines():
        words = line.split()
        if words[0] == name:
            return int(words[1])
    return 0


def _read(file: Path) -> str:
    """What the kernel says there, empty where it says nothing."""
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
