"""Pods and `cycleqd run` log their run in a real MLflow server, once, whoever was killed."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from devcluster.base.processes import free_port

from cycleqd.api.evolving import Prepared
from cycleqd.api.run import Run
from cycleqd.cli.ending import run_command
from cycleqd.errors import InputError
from cycleqd.manifest.model import Manifest
from cycleqd.manifest.tracking import MLflow, Tracking
from cycleqd.pod.coordinate import LOGIN
from cycleqd.roles.local import LocalRunner
from cycleqd.run.store import RunStore
from cycleqd.store import open_store
from cycleqd.tracking.companion import mlflow_follower
from cycleqd.tracking.mlflow_client import Server, connect
from tests.pod.api import serving
from tests.pod.pods import PATIENCE, Pods, pods_of, wait_until
from tests.run.synthetic import archives, begin, do_everything, fresh, manifest
from tests.tracking.mlflow_contents import check_champion, check_numbers

pytestmark = pytest.mark.runtime

GENERATIONS = 6
KILLS = 3


@pytest.fixture
def pods(tmp_path: Path) -> Iterator[Pods]:
    with serving() as api, pods_of(tmp_path / "pods", str(tmp_path / "store"), api) as made:
        # One that does not answer is known not to sooner.
        made.extra = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
        yield made


def tracked(uri: str, experiment: str) -> Manifest:
    document = manifest(generations=GENERATIONS, tolerance=0.02)
    place = MLflow(uri=uri, experiment=experiment, registered_model=experiment)
    spec = document.spec.model_copy(update={"tracking": Tracking(mlflow=place)})
    return document.model_copy(update={"spec": spec})


def check(server: str, experiment: str, run: RunStore, status: dict[str, Any]) -> None:
    check_numbers(server, experiment, run, status)
    check_champion(server, experiment, run)


def untracked() -> dict[str, bytes]:
    run = fresh(generations=GENERATIONS)
    do_everything(run)
    return archives(run.objects)


def test_a_coordinator_that_is_killed_again_and_again(
    server: str, pods: Pods, status: Callable[[RunStore], dict[str, Any]]
) -> None:
    document = tracked(server, "killed-pods")
    run = begin(open_store(pods.store), document)
    pods.apply(document)
    client = connect(Server(server))
    coordinator = pods.coordinate()
    for kill in range(KILLS):
        if kill == 1:  # before that the run stands at its beginning
            worker = pods.work(0, 1)
        if kill == 0:
            wait_until(lambda: client.get_experiment_by_name("killed-pods") is not None, 120)
        else:
            wait_until(lambda k=kill: pods.log("coordinator").count("is run ") >= k, 120)
        coordinator.kill()
        coordinator.wait(30)
        coordinator = pods.coordinate()
    assert coordinator.wait(PATIENCE) == 0, pods.log("coordinator")
    assert worker.wait(PATIENCE) == 0, pods.log("worker-0")
    assert pods.api.progress.tracking_error == ""
    check(server, "killed-pods", run, status(run))


def test_a_server_that_is_away_is_caught_up_with_later(
    server: str, pods: Pods, status: Callable[[RunStore], dict[str, Any]]
) -> None:
    document = tracked(f"http://127.0.0.1:{free_port()}", "caught-up")
    run = begin(open_store(pods.store), document)
    pods.apply(document)
    coordinator, worker = pods.coordinate(), pods.work(0, 1)
    assert coordinator.wait(PATIENCE) == 0, pods.log("coordinator")
    assert worker.wait(PATIENCE) == 0, pods.log("worker-0")
    told = pods.api.progress
    assert told.phase == "Complete"
    assert "does not answer" in told.tracking_error
    said, _, command = told.tracking_error.partition("log what is missing by: cycleqd ")
    assert said.startswith("spec.tracking.mlflow.uri: http://127.0.0.1:")
    words = command.replace(document.spec.tracking.mlflow.uri, server).split()
    assert run_command(words) == 0
    check(server, "caught-up", run, status(run))


def test_credentials_that_are_not_accepted_name_the_secret() -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    closed = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=closed.serve_forever, daemon=True).start()
    try:
        uri = f"http://127.0.0.1:{closed.server_address[1]}"
        begin_there = mlflow_follower(fresh, print, LOGIN)
        with pytest.raises(InputError) as caught:
            begin_there(MLflow(uri=uri))
    finally:
        closed.shutdown()
        closed.server_close()
    assert str(caught.value).startswith(f"spec.tracking.mlflow.uri: {uri} does not accept the cred")
    assert "correct the Secret of spec.tracking.mlflow.credentialsSecretRef" in str(caught.value)


def test_a_run_on_one_machine(
    server: str, tmp_path: Path, status: Callable[[RunStore], dict[str, Any]]
) -> None:
    document = tracked(server, "one-machine")
    uri = str(tmp_path / "store")
    run = begin(open_store(uri), document)
    runner = LocalRunner(
        run,
        lambda index, count: (
            *(sys.executable, "-m", "tests.run.synthetic_worker"),
            *(uri, str(index), str(count)),
        ),
        workers=2,
        log_folder=tmp_path / "logs",
        environment={"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    said: list[str] = []
    warned: list[str] = []
    prepared = Prepared(
        Run(open_store(uri)), runner, document.spec.tracking, lambda: RunStore(open_store(uri))
    )
    prepared.evolve(lambda progress: None, say=said.append, warn=warned.append)
    assert warned == []
    assert said[0].startswith("spec.tracking.mlflow: synthetic-0 is run ")
    check(server, "one-machine", run, status(run))
    assert {k: v for k, v in archives(run.objects).items() if "generations" in k} == {
        k: v for k, v in untracked().items() if "generations" in k
    }
