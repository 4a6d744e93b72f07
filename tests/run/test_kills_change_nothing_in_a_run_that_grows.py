"""A run that an expert, a task and items join is killed 25 times, and ends with equal bytes.

Half of the kills come while members are evaluated again on what is new.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

import pytest

from cycleqd.manifest.model import Manifest
from cycleqd.records import keys
from cycleqd.records.documents import EvaluateEntry
from cycleqd.roles.coordinator import Coordinator
from cycleqd.roles.entry_queue import EntryQueue
from cycleqd.roles.worker import Worker, WorkerSettings
from cycleqd.run.store import RunStore
from cycleqd.run.verification import Verifier
from cycleqd.store import MemoryStore
from tests.run.synthetic import (
    ITEMS,
    SKILLS,
    SyntheticWorkbench,
    archives,
    begin,
    digest_of,
    grow,
    manifest,
)

KILLS = 25
WHILE_REVISITING = 13


def asked_for(revisions: int) -> Manifest:
    """What is asked for after so many changes: an expert, a task, more items of another."""
    more = {"sql": {"searchLimit": ITEMS + 5}} if revisions > 2 else {}
    return manifest(
        skills=(*SKILLS, "json") if revisions > 1 else SKILLS,
        experts=(*SKILLS, "regex") if revisions > 0 else SKILLS,
        items=more,
        generations=16,
        pipelineDepth=1,
        candidatesPerGeneration=3,
    )


CHANGES = {2: 1, 6: 2, 10: 3}
"""By committed generation the change that is asked for then."""


class Killed(BaseException):
    """Stands for SIGKILL: nothing may catch it."""


class MortalStore(MemoryStore):
    """Its writer dies once before or after each of some writes."""

    def __init__(self, fatal: dict[str, bool]) -> None:
        super().__init__()
        self.fatal = fatal
        self.kills = 0

    def create(self, key: str, data: bytes) -> bool:
        after = self.fatal.pop(key, None)
        if after is None:
            return super().create(key, data)
        self.kills += 1
        if after:
            super().create(key, data)
        raise Killed


def live(run: RunStore) -> None:
    """Coordinator, one worker and the one who edits, turn by turn, until the run is complete."""
    coordinator, queue = Coordinator(run), EntryQueue(run, 0, 1)
    settings = WorkerSettings(0, 1, scratch=None)  # type: ignore[arg-type]
    worker = Worker(run, settings, SyntheticWorkbench(run))  # type: ignore[arg-type]
    while not (progress := coordinator.step()).complete:
        change = CHANGES.get(progress.generation, 0)
        if change > run.latest().number:
            grow(run, asked_for(change))
        while (work := queue.next()) is not None:
            worker.do(work)


def lived(fatal: dict[str, bool]) -> MortalStore:
    store = MortalStore({})
    begin(store, asked_for(0))
    store.fatal = fatal
    while True:
        try:
            live(RunStore(store))
        except Killed:
            continue
        return store


@pytest.fixture(scope="module")
def undisturbed() -> RunStore:
    run = RunStore(lived({}))
    assert run.latest().number == 3
    assert run.latest().joins == (5, 9, 13)
    return run


def revisits(run: RunStore) -> list[str]:
    """Keys of the results of members that were evaluated again."""
    return [
        keys.generation(joined).result_key(index)
        for joined in run.latest().joins
        for index, entry in enumerate(run.plan(keys.generation(joined)).entries)  # type: ignore[union-attr]
        if isinstance(entry, EvaluateEntry) and entry.revisit
    ]


def spread(found: Sequence[str], count: int, rng: random.Random) -> list[str]:
    """One key of each of so many parts, so that kills come all over a run."""
    edges = [n * len(found) // count for n in range(count + 1)]
    return [rng.choice(found[a:b]) for a, b in pairwise(edges)]


@pytest.mark.parametrize("seed", range(6))
def test_killed_all_over_its_life(undisturbed: RunStore, seed: int) -> None:
    rng = random.Random(seed)
    again = revisits(undisturbed)
    begun = set(begun_with())
    others = [k for k in undisturbed.objects.list("") if k not in begun and k not in again]
    chosen = [
        *spread(again, WHILE_REVISITING, rng),
        *spread(others, KILLS - WHILE_REVISITING, rng),
    ]
    store = lived({key: rng.random() < 0.5 for key in chosen})
    assert store.kills == KILLS
    assert archives(store) == archives(undisturbed.objects)


def begun_with() -> list[str]:
    store = MemoryStore()
    begin(store, asked_for(0))
    return list(store.list(""))


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_every_write_around_a_joining(undisturbed: RunStore, after: bool) -> None:
    begun = set(begun_with())
    written = [key for key in undisturbed.objects.list("") if key not in begun]
    around = [k for k in written if k.startswith(("revisions/", "tasks/", "final/000004/"))]
    assert len(around) > len(CHANGES)
    store = lived(dict.fromkeys(around, after))
    assert store.kills == len(around)
    assert archives(store) == archives(undisturbed.objects)
    run = RunStore(store)
    Verifier(run, lambda candidate: digest_of(run, candidate)).verify()
