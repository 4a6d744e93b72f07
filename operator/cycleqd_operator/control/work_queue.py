"""Which runs to look at next: each at most once in the queue, never two looks at one run at once.

A change while a run is being looked at makes it due again afterwards, so no change is ever lost.
A run can be made due later; the earliest time wins. Failures wait longer each time, with jitter,
so that many runs do not come back together after an outage.
"""

from __future__ import annotations

import asyncio
import random
from typing import NamedTuple


class RunKey(NamedTuple):
    """Which run."""

    namespace: str
    name: str


FIRST_BACKOFF_SECONDS = 0.5
LAST_BACKOFF_SECONDS = 60.0


def backoff_seconds(failures: int, jitter: float) -> float:
    """How long to wait after some failures in a row.

    Args:
        failures: at least 1.
        jitter: from 0 to 1; spreads the wait over its upper half.
    """
    full = min(FIRST_BACKOFF_SECONDS * 2.0 ** min(failures - 1, 16), LAST_BACKOFF_SECONDS)
    return full * (0.5 + 0.5 * jitter)


class WorkQueue:
    """A keyed, delaying queue for one event loop."""

    def __init__(self) -> None:
        self._due: asyncio.Queue[RunKey] = asyncio.Queue()
        self._waiting: set[RunKey] = set()
        self._busy: set[RunKey] = set()
        self._again: set[RunKey] = set()
        self._timers: dict[RunKey, asyncio.TimerHandle] = {}
        self._failures: dict[RunKey, int] = {}

    def __len__(self) -> int:
        """Runs that are due and wait for a worker."""
        return self._due.qsize()

    def add(self, key: RunKey) -> None:
        """Make a run due now."""
        self._cancel_timer(key)
        if key in self._busy:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._due.put_nowait(key)

    def add_after(self, key: RunKey, seconds: float) -> None:
        """Make a run due in some seconds, unless it is due earlier."""
        if seconds <= 0:
            self.add(key)
            return
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if timer is not None and timer.when() <= loop.time() + seconds:
            return
        self._cancel_timer(key)
        self._timers[key] = loop.call_later(seconds, self.add, key)

    def retry(self, key: RunKey) -> float:
        """Make a run due again after a failure; returns the seconds to wait."""
        self._failures[key] = self._failures.get(key, 0) + 1
        seconds = backoff_seconds(self._failures[key], random.random())
        self.add_after(key, seconds)
        return seconds

    def succeeded(self, key: RunKey) -> None:
        """Forget a run's failures."""
        self._failures.pop(key, None)

    async def get(self) -> RunKey:
        """The next run, which must be given back by `done`."""
        key = await self._due.get()
        self._waiting.discard(key)
        self._busy.add(key)
        return key

    def done(self, key: RunKey) -> None:
        """A look has ended; if the run became due meanwhile, it is due now."""
        self._busy.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def forget(self, key: RunKey) -> None:
        """Drop all that is known of a run that is gone."""
        self._cancel_timer(key)
        self._failures.pop(key, None)

    def stop(self) -> None:
        """Cancel all timers."""
        for key in tuple(self._timers):
            self._cancel_timer(key)

    def _cancel_timer(self, key: RunKey) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
