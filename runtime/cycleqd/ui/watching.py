"""All runs of a prefix, looked at side by side, not too often, and never waited for too long.

A page asks for what is known and says how long it can wait. A run is looked at again only when its
last look has aged, whoever asks, so many open pages cost the store no more than one. What fails is
told with the run, and what was known of it stays.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from cycleqd.errors import CycleQDError, StoreError
from cycleqd.store.prefixed import PrefixedStore
from cycleqd.ui.finding import Finder, Found, id_of
from cycleqd.ui.frozen import FrozenStore
from cycleqd.ui.reading import RunReader
from cycleqd.ui.sampling import sampled
from cycleqd.ui.views import Listing, RunLook

if TYPE_CHECKING:
    from cycleqd.report.data import HistoryRow
    from cycleqd.run.timeline import Timeline
    from cycleqd.store.base import ObjectStore

SIDE_BY_SIDE = 16
FRESH_SECONDS = 2.0
COMPLETE_FRESH_SECONDS = 20.0
FIND_SECONDS = 10.0


@dataclass
class _Watched:
    """A run with its last look; ``looked`` is a reading of the clock."""

    reader: RunReader
    look: RunLook | None = None
    problem: str = ""
    looked: float = float("-inf")
    under_way: Future[None] | None = None
    rows: dict[int, Future[HistoryRow]] = field(default_factory=dict)
    life: Future[Timeline | None] | None = None


@dataclass(frozen=True)
class History:
    """A run's curve.

    Attributes:
        rows: in the order of generations.
        waiting: how many have not been read yet.
    """

    rows: tuple[HistoryRow, ...]
    waiting: int


class Watch:
    """Looks at the runs of a prefix.

    Args:
        store: of the prefix.
        clock: gives seconds.
    """

    def __init__(self, store: ObjectStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = FrozenStore(store)
        self._clock = clock
        self._pool = ThreadPoolExecutor(SIDE_BY_SIDE, "look")
        self._scout = ThreadPoolExecutor(1, "find")  # waits for the pool, so is not of it
        self._finder = Finder(self._store, self._pool.map)
        self._runs: dict[str, _Watched] = {}
        self._cut = False
        self._lock = threading.Lock()
        self._found = float("-inf")
        self._finding: Future[Found] | None = None

    @property
    def uri(self) -> str:
        """Of the prefix."""
        return self._store.uri

    def close(self) -> None:
        """Look no more; does not wait for the store."""
        for pool in (self._scout, self._pool):
            pool.shutdown(wait=False, cancel_futures=True)

    def runs(self, patience: float, aged_patience: float | None = None) -> Listing:
        """What is known of all runs.

        Args:
            patience: seconds to wait for what is not known yet.
            aged_patience: the same for what has aged, which is shown as it was where that takes
                longer; as long as for the unknown where it is not given.
        """
        if aged_patience is None:
            aged_patience = patience
        begun = self._clock()
        problems = self._find(patience if self._found == float("-inf") else aged_patience)
        with self._lock:
            watched = list(self._runs.values())
        self._refresh(watched, begun + patience, begun + aged_patience)
        looks = [one.look for one in watched if one.look is not None]
        looks.sort(key=lambda look: look.changed, reverse=True)
        looks.sort(key=lambda look: look.complete)
        problems += [(one.reader.id, one.problem) for one in watched if one.problem]
        waiting = sum(one.look is None and not one.problem for one in watched)
        waiting += self._found == float("-inf") and not problems
        return Listing(tuple(looks), waiting, tuple(problems), self._cut)

    def run(self, run_id: str, patience: float) -> tuple[RunReader, RunLook] | None:
        """A run and its last look; None where there is none of this id.

        Whoever comes by an address before the prefix was looked through waits for that: only
        then is it known that a run is not there.

        Raises:
            StoreError: it could not be read, or not be looked for.
            InputError: what is stored there is no run that can be read.
        """
        problems: list[tuple[str, str]] = []
        if run_id not in self._runs:
            problems = self._find(None if self._found == float("-inf") else patience)
        one = self._runs.get(run_id)
        if one is None:
            if problems:
                raise StoreError(problems[0][1])
            return None
        self._refresh([one], self._clock() + patience)
        if one.look is None:
            one.look = one.reader.look()  # says what is wrong, or takes its time
        return one.reader, one.look

    def several(self, ids: Iterable[str], patience: float) -> list[RunLook]:
        """The last looks at those of some runs that are there; they are looked at side by side.

        Raises:
            StoreError: one could not be read, or not be looked for.
            InputError: what is stored at one is no run that can be read.
        """
        ids, end = tuple(ids), self._clock() + patience
        if any(run_id not in self._runs for run_id in ids):
            self._find(None if self._found == float("-inf") else patience)
        self._refresh([self._runs[run_id] for run_id in ids if run_id in self._runs], end)
        found = [self.run(run_id, max(0.0, end - self._clock())) for run_id in ids]
        return [pair[1] for pair in found if pair is not None]

    def histories(self, looks: Iterable[RunLook], patience: float) -> list[History]:
        """The curves of several runs, read side by side."""
        looks, end = tuple(looks), self._clock() + patience
        for look in looks:
            self.history(look.id, look.generation, 0.0)
        return [
            self.history(look.id, look.generation, max(0.0, end - self._clock())) for look in looks
        ]

    def life(self, look: RunLook, patience: float) -> tuple[Timeline | None, bool]:
        """Who joined a run, and whether that is still being read.

        Raises:
            StoreError: the store failed.
        """
        one = self._runs[look.id]
        with self._lock:
            if one.life is None:
                one.life = self._pool.submit(one.reader.life, look)
            asked = one.life
        wait([asked], patience)
        if not asked.done():
            return None, True
        with self._lock:
            one.life = None if one.life is asked else one.life
        return asked.result(), False

    def problem(self, run_id: str) -> str:
        """Why the last look at a run failed; empty where it did not."""
        one = self._runs.get(run_id)
        return "" if one is None else one.problem

    def history(self, run_id: str, committed: int, patience: float) -> History:
        """How a run's archives grew, of a bounded number of generations."""
        one = self._runs[run_id]
        with self._lock:
            for generation in sampled(committed):
                known = one.rows.get(generation)
                if known is None or (known.done() and known.exception() is not None):
                    read = partial(one.reader.history_row, generation)
                    one.rows[generation] = self._pool.submit(read)
            asked = [one.rows[generation] for generation in sampled(committed)]
        wait(asked, patience)
        done = [f.result() for f in asked if f.done() and f.exception() is None]
        return History(tuple(done), len(asked) - len(done))

    def _find(self, patience: float | None) -> list[tuple[str, str]]:
        with self._lock:
            if self._finding is None and self._clock() - self._found >= FIND_SECONDS:
                self._finding = self._scout.submit(self._finder.find)
            finding = self._finding
        if finding is None:
            return []
        wait([finding], patience)
        if not finding.done():
            return []
        with self._lock:
            self._finding = None if self._finding is finding else self._finding
        if (error := finding.exception()) is not None:
            return [(self.uri, _told(error))]
        found = finding.result()
        with self._lock:
            self._found, self._cut = self._clock(), found.cut
            for path in found.paths:
                store = PrefixedStore(self._store, path) if path else self._store
                self._runs.setdefault(id_of(path), _Watched(RunReader(id_of(path), store)))
        return []

    def _refresh(self, runs: Iterable[_Watched], end: float, aged_end: float | None = None) -> None:
        """Look at those again whose last look has aged, and wait until a time for that."""
        unknown: list[Future[None]] = []
        aged: list[Future[None]] = []
        for one in runs:
            # Before it is begun: one that ends at once would be taken for one that has aged.
            new = one.look is None and not one.problem
            if (future := self._aged(one)) is not None:
                (unknown if new else aged).append(future)
        wait(aged, max(0.0, (end if aged_end is None else aged_end) - self._clock()))
        wait(unknown, max(0.0, end - self._clock()))

    def _aged(self, one: _Watched) -> Future[None] | None:
        with self._lock:
            if one.under_way is not None:
                return one.under_way
            complete = one.look is not None and one.look.complete
            lasts = COMPLETE_FRESH_SECONDS if complete else FRESH_SECONDS
            if self._clock() - one.looked < lasts:
                return None
            one.under_way = self._pool.submit(self._look, one)
            return one.under_way

    def _look(self, one: _Watched) -> None:
        try:
            look = one.reader.look()
        except Exception as error:  # noqa: BLE001 - a store may hold anything; told with the run
            one.problem = _told(error)
        else:
            one.look, one.problem = look, ""
        with self._lock:
            one.looked, one.under_way = self._clock(), None


def _told(error: BaseException) -> str:
    """A sentence about a failure: our own errors say no secret, of others only the kind is told."""
    if isinstance(error, CycleQDError):
        return str(error)
    return f"cannot be read: {type(error).__name__}; was it written by a later version?"
