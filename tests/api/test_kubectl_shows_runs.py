"""kubectl knows runs by their short name, shows their state, scales and explains them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.manifest.documents import edited

from .documents import VALID

if TYPE_CHECKING:
    from devcluster.base.cluster import Cluster

pytestmark = pytest.mark.controlplane

STATUS = {
    "generation": 12,
    "evaluations": {"succeeded": 96, "failed": 2},
    "archive": {"coverage": "0.4312", "qdScore": "71.25"},
    "workers": {"desired": 2, "ready": 2, "queue": "gpu"},
    "conditions": [
        {
            "type": kind,
            "status": "True",
            "reason": reason,
            "message": message,
            "lastTransitionTime": "2026-11-23T01:02:03Z",
            "observedGeneration": 1,
        }
        for kind, reason, message in (
            ("WorkersReady", "Ready", "2 of 2"),
            ("Progressing", "Evolving", "generation 13 of 20"),
        )
    ],
}


@pytest.fixture(scope="module")
def shown(cluster: Cluster, shared_namespace: str) -> str:
    cluster.apply(edited({}, VALID), namespace=shared_namespace)
    patch = ["patch", "cqd", "agents", "-n", shared_namespace, "--subresource=status"]
    cluster.kubectl(*patch, "--type=merge", "-p", json.dumps({"status": STATUS}))
    return shared_namespace


def test_columns(cluster: Cluster, shown: str) -> None:
    header, line = cluster.kubectl("get", "cqd", "-n", shown).stdout.splitlines()
    assert header.split() == ["NAME", "REASON", "GEN", "EVALS", "COVERAGE", "QD", "WORKERS", "AGE"]
    assert line.split()[:-1] == ["agents", "Evolving", "12", "96", "0.4312", "71.25", "2"]


def test_wide_columns_and_category(cluster: Cluster, shown: str) -> None:
    header, line = cluster.kubectl("get", "ml", "-n", shown, "-o", "wide").stdout.splitlines()
    assert {"QUEUE", "FAILED", "MESSAGE"} < set(header.split())
    assert "gpu" in line
    assert "generation 13 of 20" in line


def test_waiting_for_a_condition(cluster: Cluster, shown: str) -> None:
    wait = ["wait", "--for=condition=Progressing", "cqd/agents", "-n", shown, "--timeout=10s"]
    assert "condition met" in cluster.kubectl(*wait).stdout


def test_scaling(cluster: Cluster, shown: str) -> None:
    cluster.kubectl("scale", "cqd/agents", "-n", shown, "--replicas=5")
    run = cluster.get("cqd", "agents", shown)
    assert run
    assert run["spec"]["workers"]["replicas"] == 5


def test_explaining(cluster: Cluster, shown: str) -> None:
    del shown
    text = cluster.kubectl("explain", "cqd.spec.evolution.pipelineDepth").stdout
    assert "A generation is planned from the archive committed so many generations" in " ".join(
        text.split()
    )


def test_a_status_is_written_by_its_subresource_alone(cluster: Cluster, shown: str) -> None:
    patch = ["patch", "cqd", "agents", "-n", shown, "--type=merge"]
    cluster.kubectl(*patch, "-p", json.dumps({"status": {"generation": 99}}))
    run = cluster.get("cqd", "agents", shown)
    assert run
    assert run["status"]["generation"] == 12
