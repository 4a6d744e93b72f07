"""Coordinator and worker pods evolve the same archives as `cycleqd run`, whoever is killed."""

from __future__ import annotations

import subprocess

import pytest

from cycleqd.store import open_store
from tests.pod.pods import PATIENCE, Pods, wait_until
from tests.run.synthetic import archives, begin, do_everything, fresh, manifest

pytestmark = pytest.mark.pods


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, bytes]:
    run = fresh()
    do_everything(run)
    return archives(run.objects)


def test_a_pool_of_workers(pods: Pods, undisturbed: dict[str, bytes]) -> None:
    begin(open_store(pods.store), manifest())
    pods.apply(manifest())
    coordinator = pods.coordinate()
    workers = [pods.work(index, 2) for index in range(2)]
    assert coordinator.wait(PATIENCE) == 0, pods.log("coordinator")
    assert [worker.wait(PATIENCE) for worker in workers] == [0, 0], pods.log("worker-0")
    assert archives(open_store(pods.store)) == undisturbed
    told = pods.api.progress
    assert (told.phase, told.generation, told.run_id) == ("Complete", 6, "synthetic-0")
    assert (told.succeeded, told.failed, told.stages) == (3 + 24, 0, ())
    assert told.coverage > 0
    assert [best.task for best in told.best] == ["sql", "python", "shell"]
    assert open_store(pods.store).exists(told.report.removeprefix(f"{pods.store}/"))


def test_kills_change_nothing(pods: Pods, undisturbed: dict[str, bytes]) -> None:
    begin(open_store(pods.store), manifest())
    pods.apply(manifest())
    coordinator: subprocess.Popen[bytes] = pods.coordinate()
    worker = pods.work(0, 2)
    for generation in (0, 2):
        wait_until(
            lambda g=generation: bool(pods.api.patches) and pods.api.progress.generation >= g
        )
        for process in (coordinator, worker):
            process.kill()
            process.wait(30)
        coordinator, worker = pods.coordinate(), pods.work(0, 2)
    assert coordinator.wait(PATIENCE) == 0, pods.log("coordinator")
    assert worker.wait(PATIENCE) == 0
    assert archives(open_store(pods.store)) == undisturbed


def test_a_job_for_each_stage(pods: Pods, undisturbed: dict[str, bytes]) -> None:
    """Mode Generation: workers that end with their stage, started for each that is open."""
    begin(open_store(pods.store), manifest())
    pods.apply(manifest())
    coordinator = pods.coordinate()
    started: dict[str, subprocess.Popen[bytes]] = {}
    wait_until(lambda: "progress" in pods.api.data)
    while coordinator.poll() is None:
        for stage in pods.api.progress.stages:
            if stage.stage not in started:
                started[stage.stage] = pods.work(0, 1, CYCLEQD_STAGE=stage.stage)
        wait_until(lambda: coordinator.poll() is not None or _is_new(pods, started))
    assert coordinator.returncode == 0, pods.log("coordinator")
    assert {name: worker.wait(PATIENCE) for name, worker in started.items()} == dict.fromkeys(
        started, 0
    )
    assert len(started) == 8
    assert archives(open_store(pods.store)) == undisturbed


def _is_new(pods: Pods, started: dict[str, subprocess.Popen[bytes]]) -> bool:
    return any(stage.stage not in started for stage in pods.api.progress.stages)
