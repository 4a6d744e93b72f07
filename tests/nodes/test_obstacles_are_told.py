"""What keeps real pods from starting stands in the run's conditions, with the cause.

GPUs that no node has, and an image that cannot be pulled; and GPUs are really counted: of more
workers than GPUs, those beyond wait. A checkpoint that workers could not use ends the run before
there is any worker.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.controlplane.jobs import RESTRICTED, eventually
from tests.controlplane.runs import small_manifest
from tests.servers.s3 import BUCKET

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.controlplane.runs import ClusterRun
    from tests.nodes.site import Site

pytestmark = [pytest.mark.nodes, pytest.mark.timeout(900, func_only=True)]

SECONDS = 300


def condition(run: ClusterRun, kind: str) -> dict[str, Any]:
    conditions = run.get().get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == kind), {})


def workers_ready(run: ClusterRun) -> dict[str, Any]:
    return condition(run, "WorkersReady")


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


def test_a_checkpoint_that_workers_could_not_use(
    site: Site, test_namespace: str, pod_run: Callable[..., ClusterRun]
) -> None:
    spec = small_manifest(site.server, "unused", 2)["spec"]
    expert = spec["experts"][1]
    right, wrong = expert["uri"].removeprefix(f"s3://{BUCKET}/"), f"wrong/{test_namespace}"
    client = site.server.client()
    for found in client.list_objects_v2(Bucket=BUCKET, Prefix=f"{right}/")["Contents"]:
        content = client.get_object(Bucket=BUCKET, Key=found["Key"])["Body"].read()
        if found["Key"].endswith("/config.json"):
            scaled = {"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}
            content = json.dumps(json.loads(content) | scaled).encode()
        key = found["Key"].replace(right, wrong, 1)
        client.put_object(Bucket=BUCKET, Key=key, Body=content)
    expert["uri"] = f"s3://{BUCKET}/{wrong}"
    run = pod_run(2, experts=spec["experts"], workers={"replicas": 2})
    eventually(lambda: run.has("Failed"), SECONDS)
    failed = condition(run, "Failed")
    assert failed["reason"] == "ConfigurationRefused"
    assert "spec.experts[1].uri: " in failed["message"]
    assert "rope_parameters" in failed["message"]
    events = site.cluster.list("events", test_namespace)
    started = {e["involvedObject"]["name"] for e in events if e["involvedObject"]["kind"] == "Pod"}
    assert any("coordinator" in name for name in started), started
    assert not any("worker" in name for name in started), started


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
    events = site.cluster.list("events", test_namespace)
    assert any("Insufficient nvidia.com/gpu" in event["message"] for event in events)
