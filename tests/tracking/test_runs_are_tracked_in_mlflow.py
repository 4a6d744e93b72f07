"""A real MLflow server holds what a run's store says, once, whoever was killed on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from devcluster.base.processes import free_port

from cycleqd.cli.ending import run_command
from cycleqd.errors import InputError
from cycleqd.push.destinations import Label, parse_destination
from cycleqd.push.pushing import push
from cycleqd.push.to_mlflow import MlflowPlace
from cycleqd.run.members import resolve_member
from cycleqd.run.store import RunStore
from cycleqd.store import open_store
from cycleqd.tracking.follower import Follower
from cycleqd.tracking.mlflow_client import Server, connect
from cycleqd.tracking.mlflow_sink import MlflowSink
from cycleqd.tracking.translation import COMMITTED
from tests.run import synthetic

pytestmark = pytest.mark.runtime

WRITES = ("create", "log_", "set_", "finalize", "update", "delete")
SKILLS = ("sql", "python")


class Killed(BaseException):
    """The end of a process, in a test that goes on."""


class KilledClient:
    """A client whose process ends after a write that the server has done."""

    def __init__(self, client: Any, writes: int) -> None:
        self._client = client
        self._left = writes

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        if not name.startswith(WRITES):
            return method

        def write(*arguments: Any, **options: Any) -> Any:
            answer = method(*arguments, **options)
            self._left -= 1
            if self._left == 0:
                raise Killed
            return answer

        return write


@pytest.fixture(scope="module")
def client(server: str) -> Any:
    return connect(Server(server))


@pytest.fixture
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes seconds each time."""
    monkeypatch.setattr(
        Follower, "_write_report", lambda self, folder: (folder / "report.html").write_text("")
    )


def small(**more: Any) -> dict[str, Any]:
    return {"skills": SKILLS, "generations": 2, "candidatesPerGeneration": 2, **more}


def begun(folder: Path, **more: Any) -> RunStore:
    return synthetic.begin(open_store(str(folder)), synthetic.manifest(**small(**more)))


def follower(client: Any, server: str, run: RunStore, experiment: str, **more: Any) -> Follower:
    sink = MlflowSink(
        client,
        Server(server),
        experiment=experiment,
        run=run,
        registered_model=experiment,
        say=more.get("say", lambda text: None),
    )
    return Follower(run, sink, lambda text: None)


def the_run(client: Any, experiment: str) -> Any:
    """The one run of an experiment."""
    found = client.get_experiment_by_name(experiment)
    (run,) = client.search_runs([found.experiment_id])
    return run


def models_of(client: Any, experiment: str) -> list[Any]:
    return list(client.search_logged_models([the_run(client, experiment).info.experiment_id]))


def check(client: Any, experiment: str, run: RunStore, status: dict[str, Any]) -> None:
    """Compare what MLflow has with what `cycleqd status --json` prints; nothing is there twice."""
    tracked = the_run(client, experiment)
    metrics = tracked.data.metrics
    for name, key in (("best", "best"), ("coverage", "coverage"), ("qdScore", "qd_score")):
        assert {task: metrics[f"{key}/{task}"] for task in status[name]} == status[name]
    for name in ("generation", "failed", "stopped"):
        assert metrics[name] == status[name]
    for key in metrics:
        history = client.get_metric_history(tracked.info.run_id, key)
        places = [(metric.timestamp, metric.step) for metric in history]
        if not key.startswith(("search/", "test/")):  # of models: several at one place
            assert len(places) == len(set(places)), key
    marks = client.get_metric_history(tracked.info.run_id, COMMITTED)
    assert [mark.value for mark in marks] == [*range(run.committed() + 1)]
    assert marks[-1].step == status["evaluations"]


def test_killed_after_each_write(
    server: str, client: Any, tmp_path: Path, no_report: None, status: Any
) -> None:
    run = begun(tmp_path / "store", tolerance=0.02, strategy="UniformMerge")
    synthetic.do_everything(run)
    kills = 0
    while True:
        try:
            # Of some pairs of writes only the second shows that the first is done.
            dying = KilledClient(client, 1 + kills % 3)
            assert follower(dying, server, run, "killed").look()
        except Killed:
            kills += 1
            assert kills < 100
            continue
        break
    check(client, "killed", run, status(run))
    tracked = the_run(client, "killed")
    assert tracked.info.status == "FINISHED"
    assert tracked.data.params["tasks.sql.type"] == "exact"
    assert [f.path for f in client.list_artifacts(tracked.info.run_id, "report")] == [
        "report/report.html"
    ]
    models = models_of(client, "killed")
    assert kills > len(models)
    assert len({model.name for model in models}) == len(models)
    assert {model.status for model in models} == {"READY"}
    assert all(run.objects.uri in model.tags["cycleqd.export"] for model in models)
    (version,) = client.search_model_versions("name = 'killed'")
    champion = client.get_model_version_by_alias("killed", "champion")
    assert champion.version == version.version


def test_a_run_that_lives_grows_and_ends(
    server: str, client: Any, tmp_path: Path, no_report: None, status: Any
) -> None:
    run = begun(tmp_path / "store", tolerance=0.02)
    tracking = follower(client, server, run, "lives")
    assert not tracking.look()
    synthetic.do_everything(run)
    assert tracking.look()
    check(client, "lives", run, status(run))
    longer = small(skills=(*SKILLS, "shell"), generations=4, tolerance=0.02)
    synthetic.grow(run, synthetic.manifest(**longer))
    assert not tracking.look()
    assert the_run(client, "lives").info.status == "RUNNING"
    synthetic.do_everything(run)
    assert tracking.look()
    check(client, "lives", run, status(run))
    tracked = the_run(client, "lives")
    assert tracked.info.status == "FINISHED"
    assert "task shell joined" in tracked.data.tags["cycleqd.revision.1"]
    assert tracked.data.params["evolution.generations"] == "2"
    champion = client.get_model_version_by_alias("lives", "champion")
    summary = run.summary(run.committed())
    assert summary is not None
    assert summary.published is not None
    assert champion.tags["cycleqd.candidate"] == summary.published.candidate


def test_the_alias_moves_through_the_gate_alone(
    server: str, client: Any, tmp_path: Path, no_report: None
) -> None:
    ungated, gated = begun(tmp_path / "ungated"), begun(tmp_path / "gated", tolerance=0.02)
    synthetic.do_everything(ungated)
    synthetic.do_everything(gated)
    said: list[str] = []
    follower(client, server, ungated, "gate", say=said.append).look()
    assert client.get_registered_model("gate").aliases == {}
    assert "spec.publication" in said[-1]
    (version,) = client.search_model_versions("name = 'gate'")
    client.set_model_version_tag("gate", version.version, "cycleqd.run", "another-1")
    client.set_registered_model_alias("gate", "champion", version.version)
    with pytest.raises(InputError, match="--experiment: 'gate' has another run of the id"):
        # Of the same id, with other numbers.
        follower(client, server, begun_otherwise(tmp_path / "other"), "gate").look()
    sink_said: list[str] = []
    client.create_experiment("gate-2")
    sink = MlflowSink(
        client,
        Server(server),
        experiment="gate-2",
        run=gated,
        registered_model="gate",
        say=sink_said.append,
    )
    Follower(gated, sink, lambda text: None).look()
    champion = client.get_model_version_by_alias("gate", "champion")
    assert champion.version == version.version
    assert "not of this run; it stays" in sink_said[-1]


def begun_otherwise(folder: Path) -> RunStore:
    run = begun(folder, candidatesPerGeneration=6)
    synthetic.do_everything(run)
    return run


def test_the_command_is_killed_and_repeated(server: str, client: Any, tmp_path: Path) -> None:
    run = begun(tmp_path / "store", generations=3)
    synthetic.do_everything(run)
    command = [sys.executable, "-m", "cycleqd.cli", "track", str(tmp_path / "store")]
    command += ["--mlflow", server, "--experiment", "command", "--follow"]
    command += ["--tensorboard", str(tmp_path / "events")]
    began = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + 120
    while client.get_experiment_by_name("command") is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(began.pid, signal.SIGKILL)
    began.communicate()
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("is logged up to generation 3, complete") == 2
    tracked = the_run(client, "command")
    assert tracked.data.metrics["generation"] == 3
    pages = [f.path for f in client.list_artifacts(tracked.info.run_id, "report")]
    assert "report/report.html" in pages


def test_a_pushed_member_is_one_version(
    server: str, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    run = begun(tmp_path / "store")
    synthetic.do_everything(run)
    label = Label(run.document.run_id, resolve_member(run, "balanced"), "model", None)

    def export(folder: Path) -> None:
        folder.mkdir()
        (folder / "config.json").write_text("{}")

    destination = parse_destination("mlflow:models/pushed")
    assert push(run, label, MlflowPlace(destination, lambda text: None), export)
    assert not push(run, label, MlflowPlace(destination, lambda text: None), export)
    (version,) = client.search_model_versions("name = 'pushed'")
    (model,) = client.search_logged_models(
        [client.get_experiment_by_name("cycleqd-pushed").experiment_id]
    )
    assert version.source == f"models:/{model.model_id}"
    assert version.description.startswith("---\nlibrary_name: transformers")
    names = {item.path for item in client.list_logged_model_artifacts(model.model_id)}
    assert names == {"README.md", "config.json", "cycleqd.json"}


def test_a_server_that_does_not_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    begun(tmp_path / "store")
    uri = f"http://127.0.0.1:{free_port()}"
    assert run_command(["track", str(tmp_path / "store"), "--mlflow", uri]) == 75
    assert f"--mlflow: {uri} does not answer" in capsys.readouterr().err
