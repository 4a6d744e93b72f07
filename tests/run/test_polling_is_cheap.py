"""Hundreds of idle workers may look at one store: a look is a handful of small requests."""

from __future__ import annotations

from pathlib import Path

import pytest

from cycleqd.roles.coordinator import Coordinator
from cycleqd.roles.entry_queue import EntryQueue
from cycleqd.roles.worker import Pause, Worker, WorkerSettings
from cycleqd.run.store import RunStore
from tests.run.synthetic import SyntheticWorkbench, begin, manifest
from tests.store.counting import Counting


@pytest.mark.parametrize("goal", [None, ("QDScore", "100000")])
def test_an_idle_look(goal: tuple[str, str] | None, tmp_path: Path) -> None:
    store = Counting()
    run = begin(store, manifest(goal=goal))  # type: ignore[arg-type]
    coordinator = Coordinator(run)
    worker = Worker(run, WorkerSettings(0, 1, tmp_path), SyntheticWorkbench(run))
    idle = EntryQueue(RunStore(store), 1, 2)  # type: ignore[arg-type]
    for _ in range(3):
        coordinator.step()
        queue = EntryQueue(run, 0, 1)
        while (work := queue.next()) is not None:
            worker.do(work)
    assert idle.next() is None
    assert not idle.complete()
    store.calls.clear()
    assert idle.next() is None
    assert not idle.complete()
    # The next commit, revisions, and one listing for each of the two open stages.
    assert store.calls == {"exists": 1, "children": 3}


def test_a_busy_worker_lists_one_stage(tmp_path: Path) -> None:
    store = Counting()
    run = begin(store, manifest(candidatesPerGeneration=12))  # type: ignore[arg-type]
    coordinator = Coordinator(run)
    worker = Worker(run, WorkerSettings(0, 1, tmp_path), SyntheticWorkbench(run))
    coordinator.step()
    queue = EntryQueue(run, 0, 1)
    while (work := queue.next()) is not None:
        worker.do(work)
    coordinator.step()
    assert queue.next() is not None
    store.calls.clear()
    assert queue.next() is not None
    assert store.calls == {"exists": 1, "children": 1}


def test_pauses_grow_and_are_never_in_step() -> None:
    pauses = [Pause(1.0, 5.0) for _ in range(20)]
    lengths = [[pause.next() for _ in range(10)] for pause in pauses]
    assert all(0.7 <= row[0] <= 1.0 for row in lengths)
    assert all(3.5 <= row[-1] <= 5.0 for row in lengths)
    assert len({row[-1] for row in lengths}) > 1
    pauses[0].reset()
    assert pauses[0].next() <= 1.0


def test_pauses_of_one_machine_stay() -> None:
    pause = Pause(0.2)
    assert [pause.next() for _ in range(5)] == [0.2] * 5
