"""A run in pods on S3, with kills and an S3 outage, equals `cycleqd run` byte for byte."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from cycleqd.manifest.reader import load_manifest
from cycleqd.store import access, open_store
from tests.pod.api import ConfigMapServer
from tests.pod.pods import WORK, Pods, pods_of, wait_until
from tests.run.chaos import assert_same
from tests.run.tiny import SHORT_GENERATIONS
from tests.servers.s3 import S3Server, running

pytestmark = [pytest.mark.slow, pytest.mark.s3, pytest.mark.timeout(3000)]


def start(pods: Pods, index: int) -> subprocess.Popen[bytes]:
    return pods.work(index, 2, WORK)


def missed_the_store(log: str) -> bool:
    """Whether a worker pod has noticed that the store is away."""
    return re.search(r"WARNING cycleqd\.(pod\.work|cli\.stores)", log) is not None


def test_kills_and_an_outage_change_nothing(
    *,
    short_manifest: Path,
    short_store: Path,
    tmp_path: Path,
    api: ConfigMapServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with running("versitygw", tmp_path / "versitygw") as server:
        evolve(short_manifest, server, tmp_path, api, monkeypatch)
        found = open_store(server.uri("tiny"), server.settings)
        assert_same(open_store(str(short_store)), found)


def evolve(
    manifest: Path,
    server: S3Server,
    tmp_path: Path,
    api: ConfigMapServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {**server.env, **access.environment_of(server.settings)}.items():
        monkeypatch.setenv(name, value)
    with pods_of(tmp_path / "pods", server.uri("tiny"), api) as pods:
        pods.apply(load_manifest(manifest))
        coordinator = pods.coordinate()
        workers = [start(pods, 0), start(pods, 1)]
        wait_until(lambda: pods.generation() >= 1, 600)
        workers[1].kill()
        workers[1].wait(30)
        wait_until(lambda: pods.generation() >= 2, 300)
        coordinator.kill()
        coordinator.wait(30)
        coordinator, workers[1] = pods.coordinate(), start(pods, 1)
        wait_until(lambda: pods.generation() >= 3, 300)
        server.process.kill()
        wait_until(lambda: api.progress.store_error != "", 120)
        # A worker may be at a candidate, and would miss an outage that ends meanwhile.
        wait_until(lambda: missed_the_store(pods.log("worker-0")), 120)
        server.process.restart()
        assert coordinator.wait(900) == 0, pods.log("coordinator")[-3000:]
        assert [worker.wait(120) for worker in workers] == [0, 0], pods.log("worker-0")[-3000:]
        assert (api.progress.phase, api.progress.generation) == ("Complete", SHORT_GENERATIONS)
        assert api.progress.report.startswith(
            f"{server.uri('tiny')}/report/{SHORT_GENERATIONS:06d}/"
        )
        assert "store answers again" in pods.log("worker-0")
