"""A living run is edited, then suspended, given more generations and resumed: it goes on as one.

An expert and a task join it, and its pods go on. While it is suspended it has none. What decides
candidates cannot be edited: the API server refuses it and names the field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.controlplane.growing import GENERATIONS, RAISED, beginning, check_grown, grow
from tests.controlplane.jobs import eventually

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from devcluster.played.pod_player import PodPlayer

    from tests.controlplane.runs import ClusterRun
    from tests.servers.s3 import S3Server

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(1800)]


def test_an_edited_and_suspended_run_grows(
    cluster_run: Callable[..., ClusterRun],
    examples: S3Server,
    node: PodPlayer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    run = cluster_run(GENERATIONS, workers={"replicas": 2}, **beginning(examples))
    refused = grow(run)

    run.patch({"suspend": True})
    eventually(lambda: run.has("Suspended"))
    eventually(lambda: not run.pods("worker") and not run.pods("coordinator"), 300)
    assert not run.has("Complete")
    stopped_at = run.progress()["generation"]
    seed = run.patch({"seed": 2}, check=False)
    assert seed.returncode != 0
    assert "spec.seed" in seed.stderr
    run.patch({"evolution": {"generations": RAISED + 1}})
    assert run.progress()["generation"] == stopped_at < RAISED

    run.patch({"suspend": False})
    check_grown(run, refused, tmp_path, monkeypatch, extensions=1)
    assert not run.has("Suspended")
