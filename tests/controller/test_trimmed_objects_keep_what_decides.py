"""The cache keeps small copies: everything that the decision reads is in them, the bulk is not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cycleqd_operator.kube.trimming import SPEC_REFUSED, trim

HASH = "cycleqd.io/template-hash"
BULK = {
    "managedFields": [{"manager": "kubelet", "fieldsV1": {"f:status": {"f:phase": {}} | {}}}] * 8,
    "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "x" * 3000, HASH: "1"},
}
META = {"namespace": "ns", "name": "one-workers-0", "uid": "u", "resourceVersion": "5"}
DECISIVE_META = {
    "labels": {"cycleqd.io/run": "one", "batch.kubernetes.io/job-completion-index": "0"},
    "ownerReferences": [{"kind": "Job", "name": "one-workers", "uid": "j", "controller": True}],
    "creationTimestamp": "2026-01-01T00:00:00Z",
    "deletionTimestamp": "2026-01-01T00:01:00Z",
}
JOB_SPEC = {"suspend": True, "parallelism": 4, "completions": 4, "managedBy": "example.com/a"}
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
    "spec": {**JOB_SPEC, "template": TEMPLATE},
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
    assert small["spec"] == JOB_SPEC
    assert small["status"] == JOB["status"]
    assert small["metadata"]["annotations"] == {HASH: "1"}


def test_a_run_keeps_its_spec_and_its_status() -> None:
    full = {"metadata": META | BULK, "spec": {"a": [1, {"b": None}]}, "status": {"generation": 3}}
    small = trim("CycleQDRun", full)
    assert small == full | {"metadata": META | {"annotations": {HASH: "1"}}}


def test_a_config_map_keeps_what_the_pods_and_we_tell_each_other() -> None:
    ours = {"run.json": "{}", "generation": "3", "progress": "{}"}
    full = {"metadata": META | BULK, "data": ours | {"k": "v" * 9999}, "binaryData": {"b": "AA=="}}
    assert trim("ConfigMap", full) == {
        "metadata": META | {"annotations": {HASH: "1"}},
        "data": ours,
    }
    (long,) = trim("ConfigMap", full | {"data": {"progress": "x" * 70_000}})["data"].values()
    assert long == ""


LARGE = {"affinity": [[[]]] * 200_000}


@pytest.mark.parametrize("part", ["workers", "coordinator"])
def test_a_run_with_a_large_template_is_kept_without_its_spec(part: str) -> None:
    full = {"metadata": META, "spec": {"seed": 1, part: {"template": {"spec": LARGE}}}}
    small = trim("CycleQDRun", full)
    assert (small["metadata"], small["spec"]) == (META, {})
    assert small[SPEC_REFUSED].startswith(f"spec.{part}.template.spec: takes 1200014 bytes")
    assert trim("CycleQDRun", small) == small


def test_a_run_that_is_large_elsewhere_is_kept_without_its_spec() -> None:
    small = trim("CycleQDRun", {"metadata": META, "spec": {"tasks": ["x" * 30_000] * 20}})
    assert small["spec"] == {}
    assert "expected at most 524288" in small[SPEC_REFUSED]


OTHERS = {f"example.com/{number}": "x" * 60 for number in range(5_000)}


@pytest.mark.parametrize("kind", ["CycleQDRun", "ConfigMap", "Job", "Pod"])
def test_what_others_write_on_an_object_is_not_kept(kind: str) -> None:
    owners = [{"uid": f"u{number}"} for number in range(5_000)]
    full = {"metadata": {"labels": OTHERS, "annotations": OTHERS, "ownerReferences": owners} | META}
    assert trim(kind, full)["metadata"] == META


@pytest.mark.parametrize("full", [POD, JOB], ids=["pod", "job"])
def test_the_copy_is_small_and_the_original_is_left_alone(full: dict[str, Any]) -> None:
    before = json.dumps(full)
    assert len(json.dumps(trim(full["kind"], full))) < len(before) / 4
    assert json.dumps(full) == before
