"""A CycleQDRun evolves on a cluster to Complete, with the archives of `cycleqd run`, byte by byte.

With workers of each generation's own; runs with a pool of them are those that are disturbed,
suspended and edited. When it is done its workers are gone, its conditions tell so, and deleting it
removes every object that was made for it, but nothing in S3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.controlplane.jobs import condition_of, eventually
from tests.controlplane.runs import NAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from devcluster.played.pod_player import PodPlayer

    from tests.controlplane.runs import ClusterRun

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(1800)]

GENERATIONS = 2
CHILDREN = "jobs,pods,configmaps,roles,rolebindings,serviceaccounts"


def test_archives_equal_those_of_one_machine(
    cluster_run: Callable[..., ClusterRun],
    reference: Callable[[int], dict[str, bytes]],
    node: PodPlayer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = cluster_run(GENERATIONS, workers={"replicas": 2, "mode": "Generation"})
    expected = reference(GENERATIONS)  # while the run goes on
    ended = run.wait_for_complete()
    status = ended["status"]
    assert status["generation"] == GENERATIONS
    assert status["observedGeneration"] == ended["metadata"]["generation"]
    assert condition_of(ended, "Failed") == "False"
    assert condition_of(ended, "StorageReady") == "True"
    assert status["workers"]["failedPods"] == 0
    found = run.archives(monkeypatch)
    assert found.keys() == expected.keys()
    assert [key for key in found if found[key] != expected[key]] == []
    eventually(lambda: not run.pods("worker"), 300)

    cluster, scope = run.cluster, ["-n", run.namespace]
    cluster.kubectl("delete", "cqd", NAME, *scope, "--timeout=60s")
    mine = ["-l", f"cycleqd.io/run={NAME}", "-o", "name"]
    eventually(lambda: not cluster.kubectl("get", CHILDREN, *scope, *mine).stdout, 300)
    assert run.archives(monkeypatch).keys() == expected.keys()
