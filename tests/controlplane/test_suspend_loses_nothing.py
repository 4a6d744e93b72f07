"""Suspended in the middle, given more generations and resumed, a run goes on as if never stopped.

While it is suspended it has no pods. What decides candidates cannot be edited: the API server
refuses it and names the field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.controlplane.jobs import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from devcluster.played.pod_player import PodPlayer

    from tests.controlplane.runs import ClusterRun

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(1800)]

GENERATIONS, RAISED = 5, 7


def test_suspended_extended_and_resumed(
    cluster_run: Callable[..., ClusterRun],
    reference: Callable[[int], dict[str, bytes]],
    node: PodPlayer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = cluster_run(GENERATIONS, workers={"replicas": 2})
    run.wait_for_generation(1)
    run.patch({"suspend": True})
    eventually(lambda: run.has("Suspended"))
    eventually(lambda: not run.pods("worker") and not run.pods("coordinator"), 300)
    assert not run.has("Complete")
    stopped_at = run.progress()["generation"]

    refused = run.patch({"seed": 2}, check=False)
    assert refused.returncode != 0
    assert "spec.seed" in refused.stderr
    run.patch({"evolution": {"generations": RAISED}})
    assert run.progress()["generation"] == stopped_at < GENERATIONS

    run.patch({"suspend": False})
    expected = reference(RAISED)  # while the run goes on
    ended = run.wait_for_complete()
    assert ended["status"]["generation"] == RAISED
    assert ended["status"]["workers"]["failedPods"] == 0
    assert not run.has("Suspended")
    found = run.archives(monkeypatch)
    assert found.keys() == expected.keys()
    assert [key for key in found if found[key] != expected[key]] == []
