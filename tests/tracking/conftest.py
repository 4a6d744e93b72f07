"""A real MLflow server, and what a run's own command says, which it is compared with."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cycleqd.cli.ending import run_command
from cycleqd.run.store import RunStore
from tests.servers import mlflow


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address. It starts slowly, so all tests share it, each with an experiment of its own."""
    with mlflow.running(tmp_path_factory.mktemp("mlflow")) as address:
        yield address


@pytest.fixture
def status(capsys: pytest.CaptureFixture[str]) -> Callable[[RunStore], dict[str, Any]]:
    """Gives what ``cycleqd status --json`` prints of a run."""

    def status_of(run: RunStore) -> dict[str, Any]:
        capsys.readouterr()
        assert run_command(["status", run.objects.uri, "--json"]) == 0
        return dict(json.loads(capsys.readouterr().out))

    return status_of
