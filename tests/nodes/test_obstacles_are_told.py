"""What keeps real pods from starting stands in the run's conditions, with the cause.

GPUs that no node has, an image that cannot be pulled, and an expert that does not fit; and GPUs are
really counted: of more workers than GPUs, those beyond wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.controlplane.jobs import RESTRICTED, eventually
from tests.controlplane.refusing import check_refusal, with_expert, wrong_expert

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.controlplane.runs import ClusterRun
    from tests.nodes.site import Site

pytestmark = [pytest.mark.nodes, pytest.mark.timeout(900, func_only=True)]

SECONDS = 300


def workers_ready(run: ClusterRun) -> dict[str, Any]:
    conditions = run.get().get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == "WorkersReady"), {})


def test_unsatisfiable_gpus(pod_run: Callable[..., ClusterRun]) -> None:
    limits = {"limits": {"nvidia.com/gpu": "64"}}
    template = {"spec": {"containers": [{"name": "worker", "resources": limits}]}}
    run = pod_run(2, workers={"replicas": 1, "template": template})
    found = eventually(
        lambda: (c := workers_ready(run)).get("reason") == "Unschedulable" and c, SECONDS
    )
    assert found["status"] == "False"
    assert "nvidia.com/gpu" in found["message"]
    assert not run.has("Failed")


def test_image_that_cannot_be_pulled(pod_run: Callable[..., ClusterRun]) -> None:
    image = "registry.invalid/cycleqd-worker:missing"
    run = pod_run(2, workers={"replicas": 1, "image": image})
    found = eventually(
        lambda: (c := workers_ready(run)).get("reason") == "ImagePullFailed" and c, SECONDS
    )
    assert found["status"] == "False"
    assert image in found["message"]
    assert not run.has("Failed")


def test_an_expert_of_another_width(
    pod_run: Callable[..., ClusterRun], site: Site, test_namespace: str
) -> None:
    uri = wrong_expert(site.server, f"wrong/{test_namespace}")
    run = pod_run(3, workers={"replicas": 2}, **with_expert(uri))
    check_refusal(run, uri, SECONDS)


def test_gpus_are_counted(site: Site, test_namespace: str) -> None:
    capacity = sum(
        int(node["status"]["allocatable"].get("nvidia.com/gpu", 0))
        for node in site.cluster.list("nodes")
    )
    if capacity == 0:
        pytest.skip("no node of this cluster has nvidia.com/gpu")
    container = {
        "name": "main",
        "image": site.operator_image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", "600"],
        "securityContext": RESTRICTED | {"runAsUser": 65532},
        "resources": {"limits": {"nvidia.com/gpu": "1"}},
    }
    pod = {"restartPolicy": "Never", "containers": [container]}
    count = capacity + 1
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "gpus"},
        "spec": {"completions": count, "parallelism": count, "template": {"spec": pod}},
    }
    site.cluster.apply(job, namespace=test_namespace)

    def phases() -> list[str]:
        pods = site.cluster.list("pods", test_namespace)
        return sorted(pod["status"]["phase"] for pod in pods)

    eventually(lambda: phases() == ["Pending", *["Running"] * capacity], SECONDS)

    def told() -> bool:
        events = site.cluster.list("events", test_namespace)
        return any("Insufficient nvidia.com/gpu" in event["message"] for event in events)

    eventually(told, SECONDS)
