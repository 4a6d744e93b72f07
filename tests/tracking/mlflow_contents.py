"""What a real MLflow server must hold of a run, asked of the server and compared."""

from __future__ import annotations

from typing import Any

from cycleqd.run.store import RunStore
from cycleqd.tracking.mlflow_client import Server, connect
from cycleqd.tracking.translation import COMMITTED


def the_run(server: str, experiment: str) -> Any:
    """The only run of an experiment."""
    client = connect(Server(server))
    (run,) = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    return run


def check_numbers(server: str, experiment: str, run: RunStore, status: dict[str, Any]) -> None:
    """What MLflow has is what `cycleqd status --json` prints, each generation once."""
    found = the_run(server, experiment)
    assert found.info.status == "FINISHED"
    for name, key in (("best", "best"), ("coverage", "coverage"), ("qdScore", "qd_score")):
        assert {task: found.data.metrics[f"{key}/{task}"] for task in status[name]} == status[name]
    client = connect(Server(server))
    marks = client.get_metric_history(found.info.run_id, COMMITTED)
    assert [mark.value for mark in marks] == [*range(run.committed() + 1)]
    assert marks[-1].step == status["evaluations"]
    models = client.search_logged_models([found.info.experiment_id])
    assert len({model.name for model in models}) == len(models) > 0
    pages = {f.path for f in client.list_artifacts(found.info.run_id, "report")}
    assert "report/report.html" in pages


def check_champion(server: str, experiment: str, run: RunStore) -> None:
    """The alias of the registered model, named like the experiment, is at the published model."""
    summary = run.summary(run.committed())
    assert summary is not None
    assert summary.published is not None
    champion = connect(Server(server)).get_model_version_by_alias(experiment, "champion")
    assert champion.tags["cycleqd.candidate"] == summary.published.candidate
