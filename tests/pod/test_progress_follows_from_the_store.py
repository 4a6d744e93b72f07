"""What the operator is told is what `status` says of the same store, at every moment of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from cycleqd.contract.progress import Progress
from cycleqd.errors import StoreDenied, StoreError, StoreFull, StoreRefused, StoreUnavailable
from cycleqd.pod.view import told, with_store_error
from cycleqd.roles.coordinator import Coordinator
from cycleqd.roles.entry_queue import EntryQueue
from cycleqd.roles.worker import Worker, WorkerSettings
from cycleqd.store import MemoryStore
from tests.run.synthetic import (
    SKILLS,
    SyntheticWorkbench,
    begin,
    do_everything,
    fresh,
    grow,
    manifest,
)

FAILING = frozenset({"c000003"})


def test_a_whole_run(tmp_path: Path) -> None:
    run = fresh(generations=3)
    coordinator, queue = Coordinator(run), EntryQueue(run, 0, 1)
    worker = Worker(run, WorkerSettings(0, 1, tmp_path), SyntheticWorkbench(run, FAILING))
    progress = Progress(run_id="synthetic-0", store="memory:", observed_generation=5)
    seen: list[Progress] = []
    for _ in range(100):
        step = coordinator.step()
        progress = told(progress, step)
        seen.append(progress)
        if step.complete:
            break
        work = queue.next()
        assert work is not None
        assert work.stage.folder in [stage.stage for stage in progress.stages]
        worker.do(work)
    assert [p.generation for p in seen] == sorted(p.generation for p in seen)
    assert {p.phase for p in seen} == {"Evolving", "Finishing"}, "Complete comes with the report"
    assert all(len(p.stages) <= 2 for p in seen)
    assert all(0 <= s.finished <= s.entries for p in seen for s in p.stages)
    last = seen[-1]
    archive = run.archive(3)
    assert archive is not None
    assert (last.succeeded, last.failed) == (3 + 12 - 1, 1)
    assert last.succeeded + last.failed == archive.evaluations
    coverages = [record.coverage for record in archive.archives.values()]
    assert last.coverage == pytest.approx(sum(coverages) / len(coverages))
    assert last.qd_score == pytest.approx(sum(r.qd_score for r in archive.archives.values()))
    assert {b.task: b.score for b in last.best} == {t: r.best for t, r in archive.archives.items()}
    for best in last.best:
        members = {m.candidate: m.scores for m in archive.archives[best.task].members}
        assert members[best.candidate][best.task] == best.score
    assert (last.run_id, last.store, last.observed_generation) == ("synthetic-0", "memory:", 5)
    assert Progress.from_json(last.to_json()) == last


def test_a_run_that_grows(tmp_path: Path) -> None:
    run = begin(MemoryStore(), manifest(generations=3))
    do_everything(run)
    grow(run, manifest(skills=(*SKILLS, "regex"), generations=8))
    coordinator, queue = Coordinator(run), EntryQueue(run, 0, 1)
    worker = Worker(run, WorkerSettings(0, 1, tmp_path), SyntheticWorkbench(run))
    progress = Progress(run_id="synthetic-0")
    seen: list[Progress] = []
    while not seen or seen[-1].phase != "Finishing":
        progress = told(progress, coordinator.step())
        assert Progress.from_json(progress.to_json()) == progress
        seen.append(progress)
        if (work := queue.next()) is not None:
            worker.do(work)
    (joined,) = run.latest().joins
    assert {p.accepted_revision for p in seen} == {1}
    assert {p.accepted_from for p in seen} == {joined}
    assert all(p.revision == (p.generation >= joined) for p in seen)
    now = [p.revisiting for p in seen if p.revisiting is not None]
    assert {(r.revision, r.generation, r.who) for r in now} == {
        (1, joined, "expert regex, task regex")
    }
    assert [r.done for r in now] == sorted(r.done for r in now)
    assert {r.done for r in now} == set(range(now[0].of))
    assert all(p.generation == joined - 1 for p in seen if p.revisiting is not None)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (StoreUnavailable("no answer from http://s3"), "StoreUnavailable"),
        (StoreRefused("there is no bucket 'x'"), "StoreRefused"),
        (
            StoreError("answers Teapot; what the words credentials say decides nothing"),
            "StoreRefused",
        ),
        (StoreFull("no room"), "StoreFull"),
    ],
)
def test_trouble_with_the_store(error: StoreError, reason: str) -> None:
    before = Progress(phase="Evolving", generation=3)
    troubled = with_store_error(before, error)
    assert (troubled.store_error, troubled.store_error_reason) == (str(error), reason)
    assert troubled.generation == 3
    assert with_store_error(troubled, None) == before


def test_credentials_that_are_denied_come_with_what_pods_need() -> None:
    troubled = with_store_error(Progress(), StoreDenied("refuses the key"))
    assert troubled.store_error_reason == "StoreRefused"
    assert troubled.store_error.startswith("refuses the key. ")
    assert "spec.storage.s3.credentialsSecretRef" in troubled.store_error
    assert "spec.suspend" in troubled.store_error
