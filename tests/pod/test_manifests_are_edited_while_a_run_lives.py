"""An edit that may be is taken up by the living run; one that may not be is reported, and no more.

A coordinator that starts anew after such an edit goes on with the manifest in force too, while one
that finds another run's store under its name refuses.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from cycleqd.contract.progress import Progress
from cycleqd.errors import InputError, RunMismatch
from cycleqd.manifest.curriculum import Arrival
from cycleqd.records.documents import Split
from cycleqd.run.continuation import Newcomers
from cycleqd.run.revision import Revision
from cycleqd.run.store import RunStore
from cycleqd.store import open_store
from tests.pod.in_process import Board, Cluster
from tests.pod.pods import swap
from tests.run.synthetic import (
    SKILLS,
    admit_synthetic,
    archives,
    begin,
    canonical_text,
    do_everything,
    fresh,
    manifest,
)


@pytest.fixture(autouse=True)
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports take their time, and a run must not depend on them."""

    def fail(*_: object) -> None:
        raise OSError("no picture can be drawn here")

    monkeypatch.setattr("cycleqd.report.from_store.write_run_report", fail)


def test_more_generations_for_a_living_run(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    begin(open_store(str(cluster.store)), manifest(generations=6))
    swap(cluster.mount, canonical_text(manifest(generations=6)), 1)
    cluster.edits = {2: (canonical_text(manifest(generations=9)), 2)}
    last = cluster.run()
    assert (last.phase, last.generation, last.generations) == ("Complete", 9, 9)
    assert (last.observed_generation, last.rejected) == (2, "")
    assert last.report == "", "a report that cannot be written fails no run"
    longer = fresh(generations=9)
    do_everything(longer)
    assert archives(open_store(str(cluster.store))) == archives(longer.objects)


def test_a_goal_that_comes_later(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    begin(open_store(str(cluster.store)), manifest(generations=9))
    swap(cluster.mount, canonical_text(manifest(generations=9)), 1)
    cluster.edits = {2: (canonical_text(manifest(generations=9, goal=("QDScore", "0.001"))), 2)}
    last = cluster.run()
    assert last.phase == "Complete"
    assert last.goal_reached
    assert 2 <= last.generation < 9


def test_a_refused_edit_is_reported_and_changes_nothing(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    begin(open_store(str(cluster.store)), manifest())
    swap(cluster.mount, canonical_text(manifest()), 1)
    cluster.edits = {1: (canonical_text(manifest(cycleInterval=2)), 2), 3: ("no: manifest", 3)}
    last = cluster.run()
    assert (last.phase, last.generation, last.observed_generation) == ("Complete", 6, 1)
    rejected = [progress.rejected for progress in cluster.board.told]
    assert any("spec.evolution.cycleInterval" in text for text in rejected)
    undisturbed = fresh()
    do_everything(undisturbed)
    assert archives(open_store(str(cluster.store))) == archives(undisturbed.objects)
    assert RunStore(open_store(str(cluster.store))).latest().number == 0


def test_edits_that_concern_pods_only_leave_no_revision(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    begin(open_store(str(cluster.store)), manifest())
    swap(cluster.mount, canonical_text(manifest()), 1)
    more = manifest()
    workers = more.spec.workers.model_copy(update={"replicas": 7})
    spec = more.spec.model_copy(update={"workers": workers, "suspend": True})
    cluster.edits = {1: (canonical_text(more.model_copy(update={"spec": spec})), 2)}
    last = cluster.run()
    assert last.observed_generation == 2
    assert RunStore(open_store(str(cluster.store))).latest().number == 0


class Beside:
    """Looks at newcomers for as long as the run takes to commit so many generations."""

    def __init__(self, store: Path, generations: int, error: InputError | None = None) -> None:
        self._store = store
        self._generations = generations
        self._error = error
        self.done = threading.Event()

    def __call__(
        self,
        current: Revision,
        arrived: Sequence[Arrival],
        items: Mapping[str, frozenset[Split]],
    ) -> list[Newcomers]:
        objects = open_store(str(self._store))
        while RunStore(objects).committed() < self._generations:
            time.sleep(0.01)
        self.done.set()
        if self._error is not None:
            raise self._error
        return admit_synthetic(objects, current, arrived, items)


def look(cluster: Cluster, beside: Beside, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the coordinator look at newcomers so, and wait for it once the run is that far."""
    monkeypatch.setattr("cycleqd.pod.coordinate.newcomers", lambda desk: beside)
    turn = cluster.turn

    def waiting(seconds: float) -> None:
        turn(seconds)
        if RunStore(open_store(str(cluster.store))).committed() >= 6:
            beside.done.wait(60)

    monkeypatch.setattr(cluster, "turn", waiting)


def longer(generations: int) -> str:
    return canonical_text(manifest(generations=generations, skills=(*SKILLS, "regex")))


def test_generations_go_on_while_newcomers_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(tmp_path)
    begin(open_store(str(cluster.store)), manifest(generations=12))
    swap(cluster.mount, canonical_text(manifest(generations=12)), 1)
    cluster.edits = {1: (longer(12), 2)}
    look(cluster, Beside(cluster.store, 6), monkeypatch)
    last = cluster.run()
    assert (last.phase, last.generation, last.observed_generation) == ("Complete", 12, 2)
    run = RunStore(open_store(str(cluster.store)))
    assert run.latest().joins[0] > 6
    assert set(run.committed_archive(12).archives) == {*SKILLS, "regex"}


def test_a_run_does_not_end_before_its_newcomers_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(tmp_path)
    begin(open_store(str(cluster.store)), manifest(generations=6))
    swap(cluster.mount, canonical_text(manifest(generations=6)), 1)
    cluster.edits = {1: (longer(9), 2)}
    look(cluster, Beside(cluster.store, 6), monkeypatch)
    last = cluster.run()
    assert (last.phase, last.generation, last.observed_generation) == ("Complete", 9, 2)


def test_newcomers_that_are_refused_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(tmp_path)
    begin(open_store(str(cluster.store)), manifest(generations=12))
    swap(cluster.mount, canonical_text(manifest(generations=12)), 1)
    cluster.edits = {1: (longer(12), 2)}
    refusal = InputError("spec.experts[3].uri: no such folder")
    look(cluster, Beside(cluster.store, 6, refusal), monkeypatch)
    last = cluster.run()
    assert (last.phase, last.generation, last.observed_generation) == ("Complete", 12, 1)
    assert last.rejected == "spec.experts[3].uri: no such folder"
    assert (last.rejected_generation, last.answered_generation) == (2, 2)
    assert RunStore(open_store(str(cluster.store))).latest().number == 0


def test_a_coordinator_that_starts_after_a_refused_edit_goes_on(tmp_path: Path) -> None:
    board = Board(
        Progress(
            phase="Evolving",
            run_id="synthetic-0",
            store=str(tmp_path / "store"),
            observed_generation=1,
            generation=2,
        )
    )
    cluster = Cluster(tmp_path, board)
    begin(open_store(str(cluster.store)), manifest())
    swap(cluster.mount, canonical_text(manifest(cycleInterval=2)), 2)
    last = cluster.run()
    assert (last.phase, last.observed_generation) == ("Complete", 1)
    assert "spec.evolution.cycleInterval" in last.rejected
    assert last.rejected_generation == 2


def test_a_coordinator_that_starts_after_a_mended_edit_tells_of_no_refusal(tmp_path: Path) -> None:
    board = Board(
        Progress(
            phase="Complete",
            run_id="synthetic-0",
            store=str(tmp_path / "store"),
            observed_generation=1,
            rejected="spec.tasks[2]: no such file",
            rejected_generation=2,
            generation=6,
        )
    )
    cluster = Cluster(tmp_path, board)
    begin(open_store(str(cluster.store)), manifest())
    swap(cluster.mount, canonical_text(manifest()), 3)
    last = cluster.run()
    assert (last.phase, last.answered_generation) == ("Complete", 3)
    assert (last.rejected, last.rejected_generation) == ("", 0)


def test_another_run_s_store_is_refused(tmp_path: Path) -> None:
    for generation, before in ((1, Progress(run_id="synthetic-0")), (2, Progress())):
        folder = tmp_path / str(generation)
        cluster = Cluster(folder, Board(before))
        begin(open_store(str(cluster.store)), manifest())
        swap(cluster.mount, canonical_text(manifest(cycleInterval=2)), generation)
        with pytest.raises(RunMismatch, match=r"spec\.evolution\.cycleInterval"):
            cluster.run()


def test_a_finished_run_that_is_taken_up_is_not_called_complete(tmp_path: Path) -> None:
    """A new generation of the manifest must never be seen beside the old one's end."""
    cluster = Cluster(tmp_path)
    begin(open_store(str(cluster.store)), manifest(generations=4))
    swap(cluster.mount, canonical_text(manifest(generations=4)), 1)
    assert cluster.run().phase == "Complete"
    swap(cluster.mount, canonical_text(manifest(generations=6)), 2)
    begun = len(cluster.board.told)
    last = cluster.run()
    assert (last.phase, last.generation) == ("Complete", 6)
    ends = {p.generation for p in cluster.board.told[begun:] if p.phase == "Complete"}
    assert ends == {6}
