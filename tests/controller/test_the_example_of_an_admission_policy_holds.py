"""The ValidatingAdmissionPolicy in manifests/policies refuses on a real API server what it says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from devcluster.base.cluster import Cluster, Json

from tests.controller.runs import run_document
from tests.controlplane.jobs import eventually

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(300)]

POLICY = Path(__file__).resolve().parents[2] / "manifests" / "policies" / "pod-templates.yaml"
SECRET = {"name": "K", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}


def container(**fields: Any) -> Json:
    return {"template": {"spec": {"containers": [{"name": "worker", **fields}]}}}


REFUSED: dict[str, Json] = {
    "node's network": {"template": {"spec": {"hostNetwork": True}}},
    "node's files": {"template": {"spec": {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}}},
    "read Secrets": container(env=[SECRET]),
    "security context": container(securityContext={"privileged": True}),
    "registry.example.com": {"image": "docker.io/other:1"},
}
TAKEN = {
    "image": "registry.example.com/worker:1",
    "template": {
        "spec": {
            "tolerations": [{"operator": "Exists"}],
            "containers": [{"name": "worker", "env": [{"name": "A", "value": "1"}]}],
        }
    },
}


@pytest.fixture
def policy(cluster: Cluster, namespace: str) -> Iterator[None]:
    """The example, bound to the test's namespace alone."""
    rule, binding = yaml.safe_load_all(POLICY.read_text())
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    binding["spec"]["matchResources"] = {"namespaceSelector": selector}
    cluster.apply(rule, binding)
    yield
    kinds = "validatingadmissionpolicybinding,validatingadmissionpolicy"
    cluster.kubectl("delete", kinds, rule["metadata"]["name"])


def answer(cluster: Cluster, namespace: str, name: str, workers: Json) -> str:
    """What is said of a run that would be created; empty where it would be taken."""
    run = json.dumps(run_document(name, namespace, workers=workers))
    done = cluster.kubectl("create", "--dry-run=server", "-f", "-", stdin=run, check=False)
    return done.stderr if done.returncode else ""


@pytest.mark.usefixtures("policy")
def test_what_it_forbids_is_refused_with_the_remedy(cluster: Cluster, namespace: str) -> None:
    first, *others = REFUSED
    eventually(lambda: first in answer(cluster, namespace, "one", REFUSED[first]))
    for said in others:
        assert said in answer(cluster, namespace, "one", REFUSED[said])
    assert answer(cluster, namespace, "one", TAKEN) == ""
    assert answer(cluster, namespace, "one", {"replicas": 1}) == ""
