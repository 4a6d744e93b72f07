"""On a real API server with Kueue's own kinds: the example's queues are of its current API, and a
queued pool grows in place, its new pods behind the scheduling gate that Kueue gives elastic Jobs.

Kueue's controller is not there: the test writes what it writes on a Job.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from devcluster.base.cluster import Cluster, Json
from devcluster.played.operator_process import OperatorProcess

from tests.controller.runs import evolving, progress_patch
from tests.controlplane.jobs import eventually

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(300)]

KINDS = Path(__file__).with_name("kueue_kinds.yaml")
EXAMPLES = Path(__file__).resolve().parents[2] / "manifests" / "cluster-examples"
ELASTIC = "kueue.x-k8s.io/elastic-job"


@pytest.fixture
def kueue(cluster: Cluster) -> Iterator[None]:
    """Kueue's kinds, where the cluster does not know them."""
    kinds = list(yaml.safe_load_all(KINDS.read_text("utf-8")))
    missing = [kind for kind in kinds if cluster.get("crd", kind["metadata"]["name"]) is None]
    if missing:
        cluster.apply(*missing)
        names = [f"crd/{kind['metadata']['name']}" for kind in missing]
        cluster.kubectl("wait", "--for=condition=Established", *names, "--timeout=30s")
    yield
    for kind in missing:
        cluster.kubectl("delete", "crd", kind["metadata"]["name"])


def queues(namespace: str) -> list[Json]:
    path = EXAMPLES / "administrator" / "kueue.yaml"
    found: list[Json] = list(yaml.safe_load_all(path.read_text("utf-8")))
    found[-1]["metadata"]["namespace"] = namespace
    return found


@pytest.mark.usefixtures("kueue")
def test_the_example_is_of_the_current_api(cluster: Cluster, namespace: str) -> None:
    flags = ["--dry-run=server", "--validate=strict", "-f", "-"]
    made = queues(namespace)
    assert {found["apiVersion"] for found in made} == {"kueue.x-k8s.io/v1beta2"}
    cluster.kubectl("create", *flags, stdin=made)
    # In v1beta1 this was the name of the field.
    made[1]["spec"]["cohort"] = "all"
    done = cluster.kubectl("create", *flags, stdin=made, check=False)
    assert 'unknown field "cohort"' in done.stderr


def test_a_queued_pool_grows_in_place(
    cluster: Cluster, namespace: str, operator: OperatorProcess
) -> None:
    run = yaml.safe_load((EXAMPLES / "kueue.yaml").read_text("utf-8"))
    run["metadata"]["namespace"] = namespace
    run["spec"]["workers"]["replicas"] = 1
    cluster.apply(run)
    eventually(lambda: cluster.get("configmap", "queued-progress", namespace))

    def patch(kind: str, name: str, body: Json) -> None:
        target = ["patch", kind, name, "-n", namespace, "--type=merge"]
        cluster.kubectl(*target, "-p", json.dumps(body))

    patch("configmap", "queued-progress", json.loads(progress_patch(evolving(0))))
    job = eventually(lambda: cluster.get("job", "queued-workers", namespace))
    assert job["spec"]["suspend"] is True
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpu"
    assert job["metadata"]["annotations"][ELASTIC] == "true"
    # Kueue writes the gate when the Job is made, and lets it run when it has quota.
    gates = {"schedulingGates": [{"name": ELASTIC}]}
    patch("job", "queued-workers", {"spec": {"template": {"spec": gates}}})
    patch("job", "queued-workers", {"spec": {"suspend": False}})

    def gated() -> int:
        pods = cluster.list("pods", namespace, "app.kubernetes.io/component=worker")
        return sum(pod["spec"].get("schedulingGates") == gates["schedulingGates"] for pod in pods)

    def message() -> str:
        status = (cluster.get("cqd", "queued", namespace) or {}).get("status", {})
        found = [c for c in status.get("conditions", []) if c["type"] == "WorkersReady"]
        return found[0]["message"] if found and found[0]["reason"] == "WaitingForQuota" else ""

    eventually(lambda: gated() == 1)
    eventually(lambda: "1 of the workers' pods wait until Kueue admits" in message())
    patch("cqd", "queued", {"spec": {"workers": {"replicas": 3}}})
    eventually(lambda: gated() == 3)
    grown = cluster.get("job", "queued-workers", namespace)
    assert grown is not None
    assert grown["metadata"]["uid"] == job["metadata"]["uid"]
    assert (grown["spec"]["parallelism"], grown["spec"]["completions"]) == (3, 3)
    assert grown["spec"]["suspend"] is False
