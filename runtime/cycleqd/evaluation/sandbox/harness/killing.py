"""Ending everything a program started: daemons, orphans, fork bombs."""

# Plain paths: what is imported here is copied into every child.
# ruff: noqa: PTH123, PTH208

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress

from cycleqd.evaluation.sandbox.harness.confinement import Confinement

_AGAIN_SECONDS = 0.1
_PAUSE_SECONDS = 0.001


def everything(confinement: Confinement) -> None:
    """Kill and reap all processes below the harness; returns when none is left.

    Programs run one at a time, so whatever is below the harness belongs to the program that ended.
    As process 1 of a namespace, or as the only user of a user id, one signal reaches all at once,
    faster than any of them can fork. Otherwise all are stopped until no unstopped one is left
    (stopped ones keep their places under the limit on processes), then killed. Whoever was just
    being forked may be missed where the machine is busy, so that is repeated while some live.
    """
    if not _anything():
        return
    again = 0.0
    while True:
        now = time.monotonic()
        if now >= again:
            _kill(confinement)
            again = now + _AGAIN_SECONDS
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(_PAUSE_SECONDS)
        except ChildProcessError:
            return


def _kill(confinement: Confinement) -> None:
    if confinement.namespaces:
        with suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
    elif confinement.user is not None:
        _as_user(confinement.user)
    else:
        _one_by_one()


def _anything() -> bool:
    """Whether a process is left: whoever loses its parent becomes this process's child."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        return False
    return True


def _as_user(user: int) -> None:
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            os.kill(-1, signal.SIGKILL)
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def _one_by_one() -> None:
    stopped: set[int] = set()
    while fresh := descendants(os.getpid()) - stopped:
        for process in fresh:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGSTOP)
        stopped |= fresh
    for process in stopped:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def descendants(ancestor: int) -> set[int]:
    """All processes below ``ancestor``; orphans are below it too, since it is their subreaper."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as file:
                    # The name in parentheses may itself hold spaces and parentheses.
                    parent = int(file.read().rpartition(")")[2].split()[1])
            except OSError:
                continue  # it ended meanwhile
            children.setdefault(parent, []).append(int(name))
    found: set[int] = set()
    front = [ancestor]
    while front:
        front = [child for parent in front for child in children.get(parent, ())]
        front = [child for child in front if child not in found]
        found.update(front)
    return found


def tasks(processes: Iterable[int]) -> int:
    """How many threads processes have together."""
    count = 0
    for process in processes:
        with suppress(OSError):  # it ended meanwhile
            count += len(os.listdir(f"/proc/{process}/task"))
    return count
