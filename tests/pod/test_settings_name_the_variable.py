"""What the operator forgot or mistyped is refused at once, by the name of the variable."""

from __future__ import annotations

from pathlib import Path

import pytest

from cycleqd.errors import InputError
from cycleqd.pod.settings import CoordinatorSettings, SandboxSettings, WorkerPodSettings
from cycleqd.records import keys

COORDINATOR = {
    "CYCLEQD_STORE": "s3://bucket/runs/a",
    "CYCLEQD_CACHE": "/scratch",
    "CYCLEQD_MANIFEST": "/etc/cycleqd",
    "CYCLEQD_NAMESPACE": "demo",
    "CYCLEQD_PROGRESS_CONFIGMAP": "a-progress",
}
WORKER = {
    "CYCLEQD_STORE": "s3://bucket/runs/a",
    "CYCLEQD_CACHE": "/scratch",
    "JOB_COMPLETION_INDEX": "3",
    "CYCLEQD_WORKERS": "8",
}


def test_defaults() -> None:
    coordinator = CoordinatorSettings.from_environment(COORDINATOR)
    assert coordinator.health_port == 8080
    assert coordinator.termination_log == Path("/dev/termination-log")
    assert coordinator.manifest == Path("/etc/cycleqd")
    worker = WorkerPodSettings.from_environment(WORKER)
    assert (worker.index, worker.workers, worker.stage) == (3, 8, None)


@pytest.mark.parametrize("stage", [keys.generation(12), keys.final(10), keys.generation(1_000_000)])
def test_stages(stage: keys.Stage) -> None:
    settings = WorkerPodSettings.from_environment(WORKER | {"CYCLEQD_STAGE": stage.folder})
    assert settings.stage == stage


@pytest.mark.parametrize("variable", COORDINATOR)
def test_a_coordinator_needs(variable: str) -> None:
    with pytest.raises(InputError, match=f"^{variable}: not set"):
        CoordinatorSettings.from_environment(COORDINATOR | {variable: ""})


@pytest.mark.parametrize("variable", WORKER)
def test_a_worker_needs(variable: str) -> None:
    rest = {name: value for name, value in WORKER.items() if name != variable}
    with pytest.raises(InputError, match=f"^{variable}: not set"):
        WorkerPodSettings.from_environment(rest)


def test_a_sandbox_needs_its_socket_and_nothing_else() -> None:
    assert SandboxSettings.from_environment({"CYCLEQD_SANDBOX": "/a/s"}).socket == Path("/a/s")
    with pytest.raises(InputError, match=r"^CYCLEQD_SANDBOX: not set"):
        SandboxSettings.from_environment({})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("JOB_COMPLETION_INDEX", "-1"),
        ("JOB_COMPLETION_INDEX", "one"),
        ("CYCLEQD_WORKERS", "0"),
        ("CYCLEQD_STAGE", "generations/12"),
        ("CYCLEQD_STAGE", "g000012"),
        ("CYCLEQD_STAGE", "finals/000012"),
        ("CYCLEQD_HEALTH_PORT", "99999"),
        ("CYCLEQD_HEALTH_PORT", "http"),
    ],
)
def test_wrong_values_are_quoted(variable: str, value: str) -> None:
    with pytest.raises(InputError, match=f"^{variable}: '{value}'"):
        WorkerPodSettings.from_environment(WORKER | {variable: value})


def test_all_problems_at_once() -> None:
    with pytest.raises(InputError) as raised:
        WorkerPodSettings.from_environment({"CYCLEQD_WORKERS": "none"})
    named = [line.partition(":")[0] for line in str(raised.value).splitlines()]
    assert sorted(named) == sorted(WORKER)
