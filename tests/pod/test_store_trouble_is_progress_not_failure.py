"""An S3 server that is away or denies, or a lost bucket, ends no pod: it is told and survived."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cycleqd.store import open_store
from cycleqd.store.access import environment_of
from tests.pod.api import ConfigMapServer
from tests.pod.pods import Pods, pods_of, wait_until
from tests.run.synthetic import archives, begin, do_everything, fresh, manifest
from tests.servers.s3 import S3Server, running

pytestmark = pytest.mark.s3

GENERATIONS = 4


@pytest.fixture
def server(tmp_path: Path) -> Iterator[S3Server]:
    with running("versitygw", tmp_path / "versitygw") as server:
        yield server


@pytest.fixture
def on_s3(
    tmp_path: Path,
    server: S3Server,
    api: ConfigMapServer,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Pods]:
    access = {**server.env, **environment_of(server.settings)}
    for name, value in access.items():
        monkeypatch.setenv(name, value)
    with pods_of(tmp_path / "pods", server.uri("run"), api) as pods:
        begin(open_store(pods.store, server.settings), manifest(generations=GENERATIONS))
        pods.apply(manifest(generations=GENERATIONS))
        yield pods


def test_an_outage_in_the_middle(on_s3: Pods, server: S3Server) -> None:
    coordinator, worker = on_s3.coordinate(), on_s3.work(0, 1)
    wait_until(lambda: on_s3.generation() >= 0)
    server.process.kill()
    wait_until(lambda: on_s3.api.progress.store_error != "", 120)
    told = on_s3.api.progress
    assert told.store_error_reason == "StoreUnavailable"
    assert server.uri("run") in told.store_error
    assert server.endpoint in told.store_error
    assert coordinator.poll() is None
    server.process.restart()
    assert coordinator.wait(120) == 0, on_s3.log("coordinator")
    assert worker.wait(60) == 0, on_s3.log("worker-0")
    want = fresh(generations=GENERATIONS)
    do_everything(want)
    assert archives(open_store(on_s3.store, server.settings)) == archives(want.objects)
    assert on_s3.api.progress.phase == "Complete"
    assert on_s3.api.progress.store_error == ""
    assert on_s3.failure("coordinator") is None


def test_a_bucket_that_is_not_there(on_s3: Pods, server: S3Server) -> None:
    bucket = server.folder / server.bucket
    away = bucket.rename(server.folder.parent / "away")
    coordinator = on_s3.coordinate()
    wait_until(lambda: bool(on_s3.api.data) and on_s3.api.progress.store_error != "", 60)
    told = on_s3.api.progress
    assert told.store_error_reason == "StoreRefused"
    assert f"no bucket '{server.bucket}'" in told.store_error
    assert "create it" in told.store_error
    away.rename(bucket)
    on_s3.work(0, 1)
    assert coordinator.wait(120) == 0, on_s3.log("coordinator")
    assert on_s3.api.progress.store_error == ""


def test_credentials_that_are_refused(on_s3: Pods) -> None:
    on_s3.extra = {"AWS_SECRET_ACCESS_KEY": "wrong"}
    coordinator = on_s3.coordinate()
    wait_until(lambda: bool(on_s3.api.data) and on_s3.api.progress.store_error != "", 60)
    told = on_s3.api.progress
    assert told.store_error_reason == "StoreRefused"
    assert "credentialsSecretRef" in told.store_error
    assert "wrong" not in told.store_error
    coordinator.terminate()
    assert coordinator.wait(30) == 143
