"""`/api/runs` and `/api/runs/<id>` say what `cycleqd status` says."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from cycleqd.api.run import Run
from cycleqd.store import MemoryStore, PrefixedStore

PATHS = {"done": "done", "half": "half", "fresh": "fresh", "team:grown": "team/grown"}


def test_all_runs_are_found_and_nothing_else(page: TestClient) -> None:
    found = page.get("/api/runs").json()
    assert {run["id"] for run in found["runs"]} == set(PATHS)
    assert found["problems"] == []
    assert (found["waiting"], found["truncated"]) == (0, False)
    assert [run["complete"] for run in found["runs"]] == [False, False, True, True]


@pytest.mark.parametrize("name", PATHS)
def test_numbers_are_those_of_status(page: TestClient, prefix: MemoryStore, name: str) -> None:
    status = Run(PrefixedStore(prefix, PATHS[name])).status()
    found = page.get(f"/api/runs/{name}").json()
    assert found["runId"] == status.run_id
    assert found["generation"] == status.generation
    assert found["generations"] == status.generations
    assert found["evaluations"] == status.evaluations
    assert found["complete"] is status.complete
    assert found["revision"] == status.revision
    assert found["best"] == {task: one.best for task, one in status.tasks.items()}
    assert found["coverage"] == {task: one.coverage for task, one in status.tasks.items()}
    assert found["qdScore"] == {task: one.qd_score for task, one in status.tasks.items()}
    assert [row["mean"] for row in found["table"]] == [row.mean for row in status.final]


def test_models_are_those_that_export_takes(page: TestClient, prefix: MemoryStore) -> None:
    for name, path in PATHS.items():
        run = Run(PrefixedStore(prefix, path))
        models = page.get(f"/api/runs/{name}").json()["models"]
        for role, model in models.items():
            assert model["candidate"] == run.resolve(role), (name, role)
            assert model["command"].startswith(f"cycleqd export {run.uri} --member ")
    complete = page.get("/api/runs/done").json()["models"]
    assert set(complete) == {"published", "aggregate", "balanced"}
    assert set(page.get("/api/runs/half").json()["models"]) == {"balanced"}


def test_stages_under_way_and_revisions_are_told(page: TestClient) -> None:
    half = page.get("/api/runs/half").json()
    assert [stage["name"] for stage in half["stages"]] == ["generation 7", "generation 8"]
    assert all(stage["done"] == stage["of"] == 4 for stage in half["stages"])
    revisions = page.get("/api/runs/team:grown").json()["revisions"]
    assert [revision["tasks"] for revision in revisions] == [["sql", "python", "shell"], ["regex"]]
    assert revisions[1]["fromGeneration"] == 4


def test_a_run_may_be_the_prefix_itself(prefix: MemoryStore) -> None:
    from cycleqd.ui.app import make_app
    from cycleqd.ui.watching import Watch

    watch = Watch(PrefixedStore(prefix, "done"))
    found = TestClient(make_app(watch)).get("/api/runs").json()["runs"]
    watch.close()
    assert [run["id"] for run in found] == ["run"]


def test_what_is_not_there_is_not_found(page: TestClient) -> None:
    for address in ("/api/runs/nobody", "/api/runs/notes", "/api/runs/team"):
        answer = page.get(address)
        assert answer.status_code == 404, address
        assert "no run of this id" in answer.json()["error"]


def test_health_asks_the_store_for_nothing() -> None:
    from cycleqd.ui.app import make_app
    from cycleqd.ui.watching import Watch

    class Nothing:
        uri = "memory:"

    watch = Watch(Nothing())  # type: ignore[arg-type]
    assert TestClient(make_app(watch)).get("/healthz").text == "ok\n"
    watch.close()
