"""On a real API server: the example's claim comes with the run, and its pods get claims of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from devcluster.base.cluster import Cluster, Json
from devcluster.played.operator_process import OperatorProcess

from tests.controller.runs import evolving, progress_patch
from tests.controlplane.jobs import eventually

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(300)]

EXAMPLES = Path(__file__).resolve().parents[2] / "manifests" / "cluster-examples"


def example(name: str, namespace: str) -> Json:
    document: Json = yaml.safe_load((EXAMPLES / name).read_text("utf-8"))
    document["metadata"]["namespace"] = namespace
    return document


def test_each_worker_gets_a_claim_of_its_own(
    cluster: Cluster, namespace: str, operator: OperatorProcess
) -> None:
    run = example("dra.yaml", namespace)
    run["spec"]["workers"]["replicas"] = 2
    asked = run["spec"]["workers"]["template"]["spec"]
    cluster.apply(example("administrator/gpu-claim.yaml", namespace), run)
    eventually(lambda: cluster.get("configmap", "claimed-progress", namespace))
    patch = ["patch", "configmap", "claimed-progress", "-n", namespace, "--type=merge"]
    cluster.kubectl(*patch, "-p", progress_patch(evolving(0)))
    job = eventually(lambda: cluster.get("job", "claimed-workers", namespace))
    pod = job["spec"]["template"]["spec"]
    assert pod["resourceClaims"] == asked["resourceClaims"]
    (worker,), (generated,) = pod["containers"], pod["initContainers"]
    assert worker["resources"] == asked["containers"][0]["resources"]
    assert "claims" not in generated["resources"]

    def owners() -> set[str]:
        claims = cluster.list("resourceclaims", namespace)
        return {claim["metadata"]["ownerReferences"][0]["name"] for claim in claims}

    def workers() -> set[str]:
        found = cluster.list("pods", namespace, "app.kubernetes.io/component=worker")
        return {pod["metadata"]["name"] for pod in found}

    eventually(lambda: len(owners()) == 2)
    assert owners() == workers()
