"""What to do when a worker process dies: pure decisions on how it ended.

A kill or a lost machine is no failure: the worker starts again. A worker that says why it ended
(exit codes of `cycleqd.errors`) is believed. A worker that crashes again and again on one entry
condemns that entry, so that one poisonous candidate does not stop a run.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cycleqd.errors import InputError, RunFailed, SlotError, StoreUnavailable

SAME_ENTRY_CRASHES = 3
"""Crashes in a row on one entry after which it is recorded as failed."""

FRUITLESS_KILLS = 10
"""SIGKILLs in a row without a result after which memory is the likely cause."""

FRUITLESS_EXITS = 3
"""Exits with an error in a row without a result after which the run stops."""

LONGEST_PAUSE_SECONDS = 30.0
"""Pauses between attempts to reach a store grow up to this."""


@dataclass(frozen=True)
class Death:
    """How a worker process ended.

    Attributes:
        code: exit status, negative for a signal.
        entry: what it was working on, None between entries.
    """

    code: int
    entry: tuple[str, int] | None


@dataclass(frozen=True)
class Restart:
    """Start the worker again after a pause."""

    seconds: float


@dataclass(frozen=True)
class Condemn:
    """Record the entry as failed, then start the worker again."""

    entry: tuple[str, int]
    cause: str


@dataclass(frozen=True)
class Stop:
    """Stop the run with this exit status."""

    code: int
    reason: str


Verdict = Restart | Condemn | Stop


def judge(deaths: Sequence[Death], *, patient: bool = False) -> Verdict:
    """What to do after the last of these deaths.

    Args:
        deaths: of one worker, oldest first, since it last finished an entry; not empty.
        patient: whether a store that cannot be reached is waited for without limit, as in a pod,
            which nobody watches.
    """
    last = deaths[-1]
    if last.code == InputError.exit_code:
        return Stop(last.code, "the worker refused its configuration")
    if last.code == -signal.SIGKILL:
        kills = _tail(deaths, lambda death: death.code == -signal.SIGKILL)
        if kills >= FRUITLESS_KILLS:
            return Stop(
                RunFailed.exit_code,
                f"a worker was killed {kills} times in a row without finishing an entry; most "
                "likely memory is short: use fewer --workers, a larger memory limit of the pod, or "
                "a smaller mutation.rank",
            )
        return Restart(0.0)
    if last.code < 0:
        return _judge_crash(deaths)
    return _judge_exit(deaths, patient)


def _judge_exit(deaths: Sequence[Death], patient: bool) -> Verdict:
    """The last death was an exit with an error."""
    last = deaths[-1]
    if patient and last.code == StoreUnavailable.exit_code:
        outages = _tail(deaths, lambda death: death.code == last.code)
        return Restart(min(LONGEST_PAUSE_SECONDS, 2.0 ** min(outages, 10)))
    exits = _tail(deaths, lambda death: death.code > 0)
    if exits >= FRUITLESS_EXITS:
        return Stop(last.code, f"a worker failed {exits} times in a row")
    return Restart(float(exits))


def _judge_crash(deaths: Sequence[Death]) -> Verdict:
    """The last death was by a signal other than SIGKILL."""
    last = deaths[-1]
    same = _tail(
        deaths, lambda d: d.code < 0 and d.code != -signal.SIGKILL and d.entry == last.entry
    )
    name = signal.Signals(-last.code).name
    if same >= SAME_ENTRY_CRASHES:
        if last.entry is None:
            return Stop(SlotError.exit_code, f"a worker crashes at its start ({name})")
        return Condemn(last.entry, f"the worker crashed {same} times in a row ({name})")
    return Restart(0.0)


def _tail(deaths: Sequence[Death], matches: Callable[[Death], bool]) -> int:
    """Length of the longest run of matching deaths at the end."""
    count = 0
    for death in reversed(deaths):
        if not matches(death):
            break
        count += 1
    return count
