"""A prefix with synthetic runs: complete, under way, just begun, grown."""

from __future__ import annotations

from pathlib import Path

from cycleqd.roles.coordinator import Coordinator
from cycleqd.roles.entry_queue import EntryQueue
from cycleqd.roles.worker import Worker, WorkerSettings
from cycleqd.run.store import RunStore
from cycleqd.store import MemoryStore, ObjectStore
from cycleqd.store.folder import FolderStore
from cycleqd.store.prefixed import PrefixedStore
from tests.run.synthetic import (
    SKILLS,
    SyntheticWorkbench,
    begin,
    do_everything,
    grow,
    manifest,
)

FOUR = (*SKILLS, "regex")


def runs_of(store: ObjectStore) -> None:
    """``done``, ``team/grown``, ``half`` and ``fresh``."""
    do_everything(begin(PrefixedStore(store, "done"), manifest(candidatesPerGeneration=8)))
    grown = begin(PrefixedStore(store, "team/grown"), manifest(generations=3))
    do_everything(grown)
    grow(grown, manifest(generations=6, skills=FOUR))
    do_everything(grown)
    half = begin(PrefixedStore(store, "half"), manifest(generations=12))
    advance(half, 5)
    begin(PrefixedStore(store, "fresh"), manifest())
    store.create("notes/readme.txt", b"no run")


def advance(run: RunStore, steps: int) -> None:
    """Let a run go on by some steps of its coordinator, each followed by all of the work."""
    coordinator = Coordinator(run)
    worker = Worker(run, WorkerSettings(0, 1, scratch=Path()), SyntheticWorkbench(run))
    for _ in range(steps):
        coordinator.step()
        queue = EntryQueue(run, 0, 1)
        while (work := queue.next()) is not None:
            worker.do(work)


def plan_next(run: RunStore) -> None:
    """Leave a stage that is planned and not done."""
    Coordinator(run).step()


def memory() -> MemoryStore:
    store = MemoryStore()
    runs_of(store)
    return store


def folder(path: Path) -> FolderStore:
    store = FolderStore(path)
    runs_of(store)
    return store
