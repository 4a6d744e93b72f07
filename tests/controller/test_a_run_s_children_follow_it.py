"""On a real API server: children come with a run, come back when deleted, and go with the run."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from devcluster.base.cluster import Cluster
from devcluster.played.operator_process import OperatorProcess

from tests.controller.runs import evolving, progress_patch, run_document
from tests.controlplane.jobs import eventually

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(600)]

FIXED = {
    ("job", "one-coordinator"),
    ("configmap", "one-manifest"),
    ("configmap", "one-progress"),
    ("serviceaccount", "one-coordinator"),
    ("serviceaccount", "one-worker"),
    ("role", "one-coordinator"),
    ("rolebinding", "one-coordinator"),
}
CHILD_KINDS = "job,configmap,serviceaccount,role,rolebinding"


def children(cluster: Cluster, namespace: str) -> set[tuple[str, str]]:
    found = cluster.list(CHILD_KINDS, namespace, "cycleqd.io/run=one")
    return {
        (child["kind"].lower(), child["metadata"]["name"])
        for child in found
        if "deletionTimestamp" not in child["metadata"]
    }


def report(cluster: Cluster, namespace: str, generation: int, name: str = "one") -> None:
    """Patch the progress as the coordinator would."""
    patch = progress_patch(evolving(generation))
    target = ["configmap", f"{name}-progress", "-n", namespace]
    cluster.kubectl("patch", *target, "--type=merge", "-p", patch)


def has(cluster: Cluster, namespace: str, *wanted: tuple[str, str]) -> Callable[[], bool]:
    return lambda: set(wanted) <= children(cluster, namespace)


def uid(cluster: Cluster, namespace: str, kind: str, name: str) -> str:
    found = cluster.get(kind, name, namespace)
    return str(found["metadata"]["uid"]) if found else ""


def test_children_come_and_belong_to_the_run(
    cluster: Cluster, namespace: str, operator: OperatorProcess
) -> None:
    cluster.apply(run_document("one", namespace))
    eventually(has(cluster, namespace, *FIXED))
    report(cluster, namespace, 0)
    eventually(has(cluster, namespace, ("job", "one-workers")))
    run = uid(cluster, namespace, "cqd", "one")
    for child in cluster.list(CHILD_KINDS, namespace, "cycleqd.io/run=one"):
        (owner,) = child["metadata"]["ownerReferences"]
        assert (owner["uid"], owner["controller"]) == (run, True), child["metadata"]["name"]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("job", "one-coordinator"),
        ("job", "one-workers"),
        ("configmap", "one-manifest"),
        ("configmap", "one-progress"),
    ],
)
def test_a_deleted_child_is_made_anew(
    cluster: Cluster, namespace: str, operator: OperatorProcess, kind: str, name: str
) -> None:
    cluster.apply(run_document("one", namespace))
    eventually(has(cluster, namespace, *FIXED))
    report(cluster, namespace, 0)
    eventually(has(cluster, namespace, ("job", "one-workers")))
    before = uid(cluster, namespace, kind, name)
    cluster.kubectl("delete", kind, name, "-n", namespace, "--wait=false")
    eventually(lambda: uid(cluster, namespace, kind, name) not in {"", before})


def test_a_deleted_run_takes_everything_with_it(
    cluster: Cluster, namespace: str, operator: OperatorProcess
) -> None:
    cluster.apply(run_document("one", namespace))
    eventually(has(cluster, namespace, *FIXED))
    cluster.kubectl("delete", "cqd", "one", "-n", namespace, "--timeout=30s")
    eventually(lambda: not children(cluster, namespace))
    assert operator.metric("cycleqd_operator_reconciles_total", outcome="failed") == 0


def test_a_run_made_anew_under_its_name_gets_children_of_its_own(
    cluster: Cluster, namespace: str, operator: OperatorProcess
) -> None:
    cluster.apply(run_document("one", namespace))
    eventually(has(cluster, namespace, *FIXED))
    cluster.kubectl("delete", "cqd", "one", "-n", namespace, "--timeout=30s")
    cluster.apply(run_document("one", namespace))
    run = uid(cluster, namespace, "cqd", "one")

    def all_new() -> bool:
        found = cluster.list(CHILD_KINDS, namespace, "cycleqd.io/run=one")
        names = {(child["kind"].lower(), child["metadata"]["name"]) for child in found}
        owners = {child["metadata"]["ownerReferences"][0]["uid"] for child in found}
        return names >= FIXED and owners == {run}

    eventually(all_new, 300)


def test_suspension_stops_the_pods_and_resuming_brings_them_back(
    cluster: Cluster, namespace: str, operator: OperatorProcess
) -> None:
    cluster.apply(run_document("one", namespace))
    eventually(has(cluster, namespace, *FIXED))
    report(cluster, namespace, 0)
    eventually(has(cluster, namespace, ("job", "one-workers")))

    def jobs_suspended() -> set[bool]:
        found = cluster.list("jobs", namespace, "cycleqd.io/run=one")
        return {bool(job["spec"].get("suspend")) for job in found}

    def set_suspend(*, value: bool) -> None:
        patch = json.dumps({"spec": {"suspend": value}})
        cluster.kubectl("patch", "cqd", "one", "-n", namespace, "--type=merge", "-p", patch)

    set_suspend(value=True)
    eventually(lambda: jobs_suspended() <= {True})
    eventually(lambda: not cluster.list("pods", namespace, "cycleqd.io/run=one"))
    cluster.kubectl(
        "wait", "--for=condition=Suspended", "cqd/one", "-n", namespace, "--timeout=150s"
    )
    set_suspend(value=False)
    eventually(lambda: jobs_suspended() == {False})
    cluster.kubectl(
        "wait", "--for=condition=Suspended=False", "cqd/one", "-n", namespace, "--timeout=150s"
    )


def test_progress_becomes_the_status(
    cluster: Cluster, namespace: str, operator: OperatorProcess
) -> None:
    cluster.apply(run_document("one", namespace))
    eventually(has(cluster, namespace, *FIXED))
    report(cluster, namespace, 3)

    def generation() -> bool:
        found = cluster.get("cqd", "one", namespace)
        return bool(found) and found.get("status", {}).get("generation") == 3

    eventually(generation)
    labels = {"name": "one", "namespace": namespace}
    eventually(lambda: operator.metric("cycleqd_run_generation", **labels) == 3)


def test_a_refused_template_is_told_and_mended(
    cluster: Cluster, namespace: str, operator: OperatorProcess
) -> None:
    container = {"name": "coordinator", "volumeMounts": [{"name": "no-volume", "mountPath": "/x"}]}
    wrong = {"template": {"spec": {"containers": [container]}}}
    cluster.apply(run_document("one", namespace, coordinator=wrong))

    def message() -> str:
        status = (cluster.get("cqd", "one", namespace) or {}).get("status", {})
        found = [c for c in status.get("conditions", []) if c["type"] == "WorkersReady"]
        return found[0]["message"] if found and found[0]["reason"] == "Refused" else ""

    assert "no-volume" in eventually(message)
    assert ("job", "one-coordinator") not in children(cluster, namespace)
    container["volumeMounts"] = []
    cluster.apply(run_document("one", namespace, coordinator=wrong))
    eventually(has(cluster, namespace, *FIXED))
    eventually(lambda: not message())
