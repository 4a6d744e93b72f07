"""What a run's own command says, which MLflow is compared with."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from cycleqd.cli.ending import run_command
from cycleqd.run.store import RunStore


@pytest.fixture
def status(capsys: pytest.CaptureFixture[str]) -> Callable[[RunStore], dict[str, Any]]:
    """Gives what ``cycleqd status --json`` prints of a run."""

    def status_of(run: RunStore) -> dict[str, Any]:
        capsys.readouterr()
        assert run_command(["status", run.objects.uri, "--json"]) == 0
        return dict(json.loads(capsys.readouterr().out))

    return status_of
