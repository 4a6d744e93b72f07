"""Every end of a pod tells the operator what it was: exit status and termination message."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from cycleqd.contract.progress import PodFailure
from cycleqd.errors import InputError, RunFailed
from cycleqd.pod.ending import told_why
from cycleqd.store import open_store
from tests.pod.pods import PATIENCE, Pods, wait_until
from tests.run.synthetic import archives, begin, do_everything, fresh, manifest

pytestmark = pytest.mark.pods

CRASH = str(int(signal.SIGSEGV))


def test_errors_of_the_tree(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(RunFailed), told_why(log):
        raise RunFailed("too much failed")
    found = PodFailure.model_validate_json(log.read_text())
    assert found == PodFailure(reason="RunFailed", message="too much failed", exit_code=1)


def test_a_bug_is_no_failed_run(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(SystemExit) as raised, told_why(log):
        raise KeyError("surprise")
    assert raised.value.code == 70
    assert "KeyError" in PodFailure.model_validate_json(log.read_text()).message


def test_long_messages_fit_into_kubernetes_limit(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(InputError), told_why(log):
        raise InputError("\N{SNOWMAN}" * 5000)
    assert len(log.read_bytes()) <= 4096
    assert PodFailure.model_validate_json(log.read_text()).exit_code == 78


def test_a_message_that_cannot_be_written_hides_nothing(tmp_path: Path) -> None:
    with pytest.raises(RunFailed), told_why(tmp_path / "no" / "folder"):
        raise RunFailed("as before")


def test_a_wrong_manifest(pods: Pods) -> None:
    pods.apply(manifest())
    (pods.manifests / "run.json").unlink()
    (pods.manifests / "..data" / "run.json").write_text('{"kind": "CycleQDRun"}')
    assert pods.coordinate().wait(PATIENCE) == 78
    failure = pods.failure("coordinator")
    assert failure is not None
    assert (failure.reason, failure.exit_code) == ("ManifestError", 78)
    assert "apiVersion" in failure.message


def test_a_checkpoint_that_is_not_there(pods: Pods) -> None:
    pods.apply(manifest())
    assert pods.coordinate().wait(PATIENCE) == 78
    failure = pods.failure("coordinator")
    assert failure is not None
    assert failure.reason == "InputError"  # both at once
    assert "spec.base.uri: " in failure.message
    assert "spec.tasks[0].items.search: " in failure.message
    assert pods.api.progress.phase == "Admitting"


def test_too_many_failed_candidates(pods: Pods) -> None:
    begin(open_store(pods.store), manifest(maxFailedCandidates=0))
    pods.apply(manifest(maxFailedCandidates=0))
    coordinator = pods.coordinate()
    pods.work(0, 1, CRASH=f"c000001 {CRASH}")
    assert coordinator.wait(90) == 1
    failure = pods.failure("coordinator")
    assert failure is not None
    assert failure.reason == "TooManyFailedCandidates"
    assert "spec.evolution.maxFailedCandidates: 0" in failure.message


def test_a_poisonous_candidate_costs_no_pod(pods: Pods) -> None:
    begin(open_store(pods.store), manifest())
    pods.apply(manifest())
    coordinator, worker = pods.coordinate(), pods.work(0, 1, CRASH=f"c000005 {CRASH}")
    assert coordinator.wait(120) == 0, pods.log("coordinator")
    assert worker.wait(30) == 0, pods.log("worker-0")
    assert pods.api.progress.failed == 1


@pytest.mark.parametrize(
    ("script", "code", "reason"),
    [
        ("import sys; sys.exit('error: no device') or sys.exit(65)", 1, "RunFailed"),
        ("import sys; print('error: no device', file=sys.stderr); sys.exit(65)", 65, "SlotError"),
        ("import sys; print('error: no base', file=sys.stderr); sys.exit(78)", 78, "InputError"),
    ],
)
def test_a_worker_that_cannot_work(pods: Pods, script: str, code: int, reason: str) -> None:
    begin(open_store(pods.store), manifest())
    pods.apply(manifest())
    assert pods.work(0, 1, SCRIPT=script).wait(PATIENCE) == code
    failure = pods.failure("worker-0")
    assert failure is not None
    assert failure.reason == reason
    assert ("no device" in failure.message) or ("no base" in failure.message)


def test_pods_that_are_told_to_stop(pods: Pods) -> None:
    begin(open_store(pods.store), manifest(generations=400))
    pods.apply(manifest(generations=400))
    coordinator, worker = pods.coordinate(), pods.work(0, 1)
    wait_until(lambda: pods.generation() >= 1)
    for process in (coordinator, worker):
        process.terminate()
    assert [process.wait(30) for process in (coordinator, worker)] == [143, 143]
    assert pods.failure("coordinator") is None
    assert pods.failure("worker-0") is None


def test_a_worker_waits_for_the_run_to_begin(pods: Pods) -> None:
    worker = pods.work(0, 1)
    pods.apply(manifest(generations=2))
    with pytest.raises(TimeoutError):
        _wait(worker, 3)
    begin(open_store(pods.store), manifest(generations=2))
    assert pods.coordinate().wait(PATIENCE) == 0
    assert worker.wait(PATIENCE) == 0
    want = fresh(generations=2)
    do_everything(want)
    assert archives(open_store(pods.store)) == archives(want.objects)


def test_a_worker_that_comes_too_late_starts_no_engine(pods: Pods) -> None:
    do_everything(begin(open_store(pods.store), manifest(generations=2)))
    script = "import sys; sys.exit(78)"
    assert pods.work(0, 1, SCRIPT=script).wait(PATIENCE) == 0
    for stage in ("generations/000002", "final/000002"):
        assert pods.work(0, 1, SCRIPT=script, CYCLEQD_STAGE=stage).wait(PATIENCE) == 0


def test_the_last_progress_is_delivered_before_the_end(pods: Pods) -> None:
    begin(open_store(pods.store), manifest(generations=2))
    pods.apply(manifest(generations=2))
    coordinator = pods.coordinate()
    wait_until(lambda: bool(pods.api.data))
    pods.api.failing = True
    pods.work(0, 1)
    wait_until(lambda: open_store(pods.store).exists("final/000002/summary.json"), 90)
    wait_until(lambda: pods.api.refused >= 1)
    with pytest.raises(TimeoutError):
        _wait(coordinator, 2)
    pods.api.failing = False
    assert coordinator.wait(90) == 0
    assert pods.api.progress.phase == "Complete"


def _wait(process: object, seconds: float) -> None:
    import subprocess

    try:
        process.wait(seconds)  # type: ignore[attr-defined]
    except subprocess.TimeoutExpired as error:
        raise TimeoutError from error
