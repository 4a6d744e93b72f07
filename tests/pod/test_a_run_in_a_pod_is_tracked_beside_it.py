"""A coordinator's pod tracks its run as the manifest says now, and says where it cannot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cycleqd.errors import ServiceUnavailable
from cycleqd.manifest.model import Manifest
from cycleqd.manifest.tracking import MLflow, Tracking
from cycleqd.pod import coordinate
from cycleqd.run.store import RunStore
from cycleqd.store import open_store
from cycleqd.tracking import companion
from cycleqd.tracking.follower import Follower
from cycleqd.tracking.translation import COMMITTED
from tests.pod.in_process import Cluster
from tests.pod.pods import swap
from tests.run.synthetic import archives, begin, canonical_text, do_everything, fresh, manifest
from tests.tracking.memory_sink import MemorySink

GENERATIONS = 3
AWAY = "http://away:5000"


def tracked(uri: str | None) -> Manifest:
    document = manifest(generations=GENERATIONS)
    tracking = None if uri is None else Tracking(mlflow=MLflow(uri=uri))
    spec = document.spec.model_copy(update={"tracking": tracking})
    return document.model_copy(update={"spec": spec})


@pytest.fixture
def sinks(monkeypatch: pytest.MonkeyPatch) -> dict[str, MemorySink]:
    """What each server was told, by address; nobody answers at `AWAY`."""
    found: dict[str, MemorySink] = {}

    def memory_follower(
        open_run: Callable[[], RunStore], say: object, login: str
    ) -> Callable[[MLflow], Follower]:
        def begin_in_memory(wanted: MLflow) -> Follower:
            if wanted.uri == AWAY:
                raise ServiceUnavailable(f"spec.tracking.mlflow.uri: {AWAY} does not answer")
            return Follower(open_run(), found.setdefault(wanted.uri, MemorySink()), print)

        return begin_in_memory

    def no_report(*_: object) -> None:
        raise OSError("no picture can be drawn here")

    monkeypatch.setattr(coordinate, "mlflow_follower", memory_follower)
    monkeypatch.setattr("cycleqd.report.from_store.write_run_report", no_report)
    monkeypatch.setattr(Follower, "_write_report", lambda self, folder: None)
    monkeypatch.setattr(companion, "LAST_PAUSE_SECONDS", 0.01)
    return found


@pytest.fixture
def cluster(tmp_path: Path, sinks: dict[str, MemorySink]) -> Cluster:
    made = Cluster(tmp_path)
    begin(open_store(str(made.store)), manifest(generations=GENERATIONS))
    return made


def untracked_archives() -> dict[str, bytes]:
    run = fresh(generations=GENERATIONS)
    do_everything(run)
    return archives(run.objects)


def test_it_is_logged_whole_before_the_pod_ends(
    cluster: Cluster, sinks: dict[str, MemorySink]
) -> None:
    swap(cluster.mount, canonical_text(tracked("http://mlflow:5000")), 1)
    last = cluster.run()
    assert (last.phase, last.tracking_error) == ("Complete", "")
    assert sinks["http://mlflow:5000"].known(COMMITTED) == set(range(GENERATIONS + 1))
    assert sinks["http://mlflow:5000"].ended[-1]
    assert archives(open_store(str(cluster.store))) == untracked_archives()


def test_a_server_that_is_away_is_told_and_changes_nothing(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(companion, "LAST_SECONDS", 0.2)
    swap(cluster.mount, canonical_text(tracked(AWAY)), 1)
    last = cluster.run()
    assert last.phase == "Complete"
    assert last.tracking_error == (
        f"spec.tracking.mlflow.uri: {AWAY} does not answer; log what is missing by: cycleqd track "
        f"{cluster.store} --mlflow {AWAY} --experiment cycleqd"
    ).replace(str(cluster.store), RunStore(open_store(str(cluster.store))).objects.uri)
    assert archives(open_store(str(cluster.store))) == untracked_archives()


def test_another_place_is_taken_up_by_the_living_run_without_a_revision(
    cluster: Cluster, sinks: dict[str, MemorySink]
) -> None:
    swap(cluster.mount, canonical_text(tracked(AWAY)), 1)
    cluster.edits = {
        0: (canonical_text(tracked(None)), 2),
        1: (canonical_text(tracked("http://mlflow:5000")), 3),
    }
    last = cluster.run()
    assert (last.observed_generation, last.rejected, last.tracking_error) == (3, "", "")
    assert sinks["http://mlflow:5000"].known(COMMITTED) == set(range(GENERATIONS + 1))
    assert len(RunStore(open_store(str(cluster.store))).history.refresh()) == 1
