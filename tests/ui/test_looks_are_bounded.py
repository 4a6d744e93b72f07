"""A look at a prefix costs the store a few requests a run, whatever the age of the runs."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cycleqd.errors import StoreError
from cycleqd.records import keys
from cycleqd.store import MemoryStore, PrefixedStore
from cycleqd.store.base import Names
from cycleqd.ui.finding import DEEPEST, Finder
from cycleqd.ui.sampling import MOST_POINTS, sampled
from cycleqd.ui.watching import COMPLETE_FRESH_SECONDS, FIND_SECONDS, FRESH_SECONDS, Watch
from tests.run.synthetic import begin, manifest
from tests.store.counting import Counting

PATIENCE = 60.0


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_many_pages_cost_no_more_than_one(prefix: MemoryStore, clock: Clock) -> None:
    store = Counting(prefix)
    watch = Watch(store, clock)  # type: ignore[arg-type]
    assert len(watch.runs(PATIENCE).looks) == 4
    store.calls.clear()
    for _ in range(5):
        assert len(watch.runs(PATIENCE).looks) == 4
    assert store.calls == {}
    watch.close()


def test_another_look_at_what_stands_still_reads_nothing(prefix: MemoryStore, clock: Clock) -> None:
    store = Counting(prefix)
    watch = Watch(store, clock)  # type: ignore[arg-type]
    watch.runs(PATIENCE)
    store.calls.clear()
    clock.now += max(FRESH_SECONDS, COMPLETE_FRESH_SECONDS, FIND_SECONDS) + 1
    assert len(watch.runs(PATIENCE).looks) == 4
    assert store.calls["read"] == 0, "what a commit says is known"
    assert store.calls["list"] == 0
    # Of each run revisions and generations, and of the prefix its folders.
    assert store.calls["children"] <= 2 * 4 + 8
    assert store.calls.total() <= 6 * 4 + 16
    watch.close()


def test_a_hundred_runs_are_found_by_their_names(clock: Clock) -> None:
    store = MemoryStore()
    for number in range(100):
        begin(PrefixedStore(store, f"run-{number:03d}"), manifest())
    counting = Counting(store)
    watch = Watch(counting, clock)  # type: ignore[arg-type]
    listing = watch.runs(PATIENCE)
    assert (len(listing.looks), listing.waiting) == (100, 0)
    assert counting.calls["list"] == 0
    assert counting.calls["children"] <= 1 + 2 * 100
    counting.calls.clear()
    clock.now += FIND_SECONDS + 1
    watch.runs(PATIENCE)
    assert counting.calls["read"] == 0
    assert counting.calls.total() <= 6 * 100
    watch.close()


def test_nothing_is_looked_for_in_runs_or_too_deep() -> None:
    store = MemoryStore()
    store.create(f"a/{keys.RUN}", b"{}")
    store.create(f"a/inner/{keys.RUN}", b"{}")
    store.create(f"{'x/' * (DEEPEST - 1)}b/{keys.RUN}", b"{}")
    store.create(f"{'y/' * DEEPEST}c/{keys.RUN}", b"{}")
    found = Finder(store).find()
    assert found.paths == ("a", f"{'x/' * (DEEPEST - 1)}b")


def test_a_prefix_of_other_things_is_not_searched_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cycleqd.ui.finding.MOST_FOLDERS", 20)
    store = MemoryStore()
    for number in range(50):
        store.create(f"other-{number:02d}/deep/thing.txt", b"")
    counting = Counting(store)
    assert Finder(counting).find().cut  # type: ignore[arg-type]
    assert counting.calls["children"] <= 20


class Slow(MemoryStore):
    """Takes its time to list, or fails after it."""

    error: StoreError | None = None

    def children(self, prefix: str, after: str = "") -> Names:
        time.sleep(0.2)
        if self.error is not None:
            raise self.error
        return super().children(prefix, after)


def test_an_address_is_not_refused_before_the_prefix_was_looked_through(clock: Clock) -> None:
    store = Slow()
    begin(PrefixedStore(store, "done"), manifest())
    watch = Watch(store, clock)
    assert watch.run("done", patience=0.0) is not None
    assert watch.run("nobody", patience=0.0) is None
    watch.close()


def test_a_store_that_fails_is_not_taken_for_one_without_the_run(clock: Clock) -> None:
    store = Slow()
    store.error = StoreError("the store is away")
    watch = Watch(store, clock)
    with pytest.raises(StoreError, match="away"):
        watch.run("done", patience=0.0)
    watch.close()


class Held(MemoryStore):
    """Looks at it wait, once it is told to hold them."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()
        self.free.set()

    def children(self, prefix: str, after: str = "") -> Names:
        assert self.free.wait(PATIENCE)
        return super().children(prefix, after)


def test_a_list_that_is_known_is_not_waited_for(clock: Clock) -> None:
    store = Held()
    begin(PrefixedStore(store, "done"), manifest())
    watch = Watch(store, clock)
    watch.runs(PATIENCE)
    store.free.clear()
    clock.now += max(FRESH_SECONDS, FIND_SECONDS) + 1
    assert [look.id for look in watch.runs(PATIENCE, aged_patience=0.0).looks] == ["done"]
    assert not store.free.is_set()
    store.free.set()
    watch.close()


class Meeting(MemoryStore):
    """Gives a run's beginning only to two that ask for it at the same time."""

    def __init__(self) -> None:
        super().__init__()
        self.barrier = threading.Barrier(2, timeout=PATIENCE / 2)

    def read(self, key: str) -> bytes:
        if key.endswith(keys.RUN):
            self.barrier.wait()
        return super().read(key)


def test_compared_runs_are_looked_at_side_by_side(clock: Clock) -> None:
    store, source = Meeting(), MemoryStore()
    for name in ("one", "two"):
        begin(PrefixedStore(source, name), manifest())
    for key in source.list():
        store.create(key, source.read(key))
    watch = Watch(store, clock)
    assert [look.id for look in watch.several(["two", "nobody", "one"], PATIENCE)] == ["two", "one"]
    watch.close()


def test_who_joined_is_not_waited_for(prefix: MemoryStore, clock: Clock) -> None:
    store = Held()
    for key in prefix.list("team/"):
        store.create(key, prefix.read(key))
    watch = Watch(store, clock)
    found = watch.run("team:grown", PATIENCE)
    assert found is not None
    store.free.clear()
    assert watch.life(found[1], 0.0) == (None, True)
    store.free.set()
    life, waits = watch.life(found[1], PATIENCE)
    assert not waits
    assert life is not None
    assert life.costs
    watch.close()


@given(st.integers(-1, 200_000))
def test_curves_pass_few_generations_and_the_last(committed: int) -> None:
    points = sampled(committed)
    assert len(points) <= MOST_POINTS + 2
    assert list(points) == sorted(set(points))
    if committed >= 0:
        assert points[0] == 0
        assert points[-1] == committed


@given(st.integers(0, 20_000))
def test_a_run_that_grows_asks_for_no_other_generations(committed: int) -> None:
    # Beside the last one, which may be any.
    assert set(sampled(committed + 1)[:-1]) <= set(sampled(committed))


def test_a_curve_is_read_once(prefix: MemoryStore, clock: Clock) -> None:
    store = Counting(prefix)
    watch = Watch(store, clock)  # type: ignore[arg-type]
    found = watch.run("done", PATIENCE)
    assert found is not None
    first = watch.history("done", found[1].generation, PATIENCE)
    assert [row.generation for row in first.rows] == list(range(7))
    assert first.waiting == 0
    store.calls.clear()
    assert watch.history("done", found[1].generation, PATIENCE) == first
    assert store.calls == {}
    watch.close()
