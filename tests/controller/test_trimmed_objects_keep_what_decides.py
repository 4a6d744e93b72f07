"""The cache keeps small copies: everything that the decision reads is in them, the bulk is not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cycleqd_operator.kube.trimming import trim

BULK = {
    "managedFields": [{"manager": "kubelet", "fieldsV1": {"f:status": {"f:phase": {}} | {}}}] * 8,
    "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "x" * 3000, "kept": "1"},
}
META = {"namespace": "ns", "name": "one-workers-0", "uid": "u", "resourceVersion": "5"}
DECISIVE_META = {
    "labels": {"cycleqd.io/run": "one", "batch.kubernetes.io/job-completion-index": "0"},
    "ownerReferences": [{"kind": "Job", "name": "one-workers", "uid": "j", "controller": True}],
    "creationTimestamp": "2026-01-01T00:00:00Z",
    "deletionTimestamp": "2026-01-01T00:01:00Z",
}
TEMPLATE = {"spec": {"containers": [{"name": "worker", "env": [{"name": "x" * 40}] * 40}]}}
POD_STATUS = {
    "phase": "Failed",
    "reason": "Evicted",
    "message": "The node was low on resource: memory.",
    "startTime": "2026-01-01T00:00:00Z",
    "conditions": [
        {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
    ],
}
CONTAINER = {
    "name": "worker",
    "ready": False,
    "restartCount": 0,
    "state": {"terminated": {"exitCode": 78, "message": '{"reason": "ManifestError"}'}},
    "lastState": {},
}
POD: dict[str, Any] = {
    "kind": "Pod",
    "metadata": META | DECISIVE_META | BULK,
    "spec": TEMPLATE["spec"] | {"nodeName": "node-a", "tolerations": [{"key": "y" * 60}] * 9},
    "status": POD_STATUS
    | {"podIPs": [{"ip": "10.0.0.1"}] * 9, "qosClass": "Burstable"}
    | {"containerStatuses": [CONTAINER | {"image": "z" * 200, "imageID": "z" * 200}]},
}
JOB: dict[str, Any] = {
    "kind": "Job",
    "metadata": META | DECISIVE_META | BULK,
    "spec": {"suspend": True, "parallelism": 4, "completions": 4, "template": TEMPLATE},
    "status": {"active": 2, "failedIndexes": "0,3", "conditions": []},
}


def test_a_pod_tells_how_it_fares() -> None:
    small = trim("Pod", POD)
    assert small["status"] == POD_STATUS | {"containerStatuses": [CONTAINER]}
    assert small["spec"] == {"nodeName": "node-a"}
    for key, value in DECISIVE_META.items():
        assert small["metadata"][key] == value


def test_a_job_keeps_all_but_its_template() -> None:
    small = trim("Job", JOB)
    assert small["spec"] == {"suspend": True, "parallelism": 4, "completions": 4}
    assert small["status"] == JOB["status"]
    assert small["metadata"]["annotations"] == {"kept": "1"}


@pytest.mark.parametrize("kind", ["CycleQDRun", "ConfigMap"])
def test_runs_and_config_maps_lose_only_bookkeeping(kind: str) -> None:
    full = {
        "kind": kind,
        "metadata": META | BULK,
        "spec": {"a": [1, {"b": None}]},
        "data": {"k": "v"},
    }
    small = trim(kind, full)
    assert small["spec"] == full["spec"]
    assert small["data"] == full["data"]
    assert small["metadata"] == META | {"annotations": {"kept": "1"}}


@pytest.mark.parametrize("full", [POD, JOB], ids=["pod", "job"])
def test_the_copy_is_small_and_the_original_is_left_alone(full: dict[str, Any]) -> None:
    before = json.dumps(full)
    assert len(json.dumps(trim(full["kind"], full))) < len(before) / 4
    assert json.dumps(full) == before
