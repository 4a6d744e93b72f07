"""What the API server stores of a manifest reads back as the manifest in the file.

It fills in the same defaults as the command line does, drops nulls, keeps the pod template as it
is, and adds metadata and a status, which are not the run's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from cycleqd.manifest.reader import load_manifest, parse_manifest, parse_resource
from cycleqd.manifest.schema import canonical
from tests.manifest.documents import as_yaml, edited
from tests.project.repository import ROOT

from .documents import VALID

if TYPE_CHECKING:
    from devcluster.base.cluster import Cluster

pytestmark = pytest.mark.controlplane

EXAMPLES = ROOT / "manifests" / "examples"
BARE = """\
apiVersion: cycleqd.io/v1alpha1
kind: CycleQDRun
metadata: {name: bare}
spec:
  base: {uri: "s3://models/base"}
  experts: [{name: a, uri: "s3://models/a"}]
  tasks:
    - {name: a, type: sql, items: {search: "s3://items/s", test: "s3://items/t"}}
  storage: {uri: "s3://runs/x"}
"""
OPTIONAL: dict[str, Any] = {
    "metadata.name": "nulls",
    "spec.goal": None,
    "spec.workers.queueName": None,
    "spec.storage.s3.region": None,
    "spec.tasks[2].expert": None,
    "spec.tasks[0].chatTemplateFrom": None,
    "spec.experts[0].vocabulary": "Base",
    "spec.experts[1].vocabulary": "Same",
    "spec.tasks[1].chat": True,
    "spec.tasks[1].chatTemplateFrom": "sql",
    "spec.tasks[1].systemMessage": "Be brief.\nAnswer in SQL.",
    "spec.activeDeadlineSeconds": 60,
}


def fetched(cluster: Cluster, namespace: str, name: str) -> dict[str, Any]:
    found = cluster.get("cqd", name, namespace)
    assert found
    return found


@pytest.mark.parametrize("text", [BARE, VALID, as_yaml(edited(OPTIONAL, VALID))])
def test_defaults_are_those_of_the_command_line(
    cluster: Cluster, namespace: str, text: str
) -> None:
    cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=text)
    manifest = parse_manifest(text, "run.yaml")
    run = fetched(cluster, namespace, manifest.metadata.name)
    expected = canonical(manifest)["spec"]
    # The canonical form leaves these out where they have their defaults, as runs in stores of
    # earlier versions do, which did not know them.
    expected.setdefault("curriculum", [])
    expected["evolution"]["aggregate"].setdefault("method", "Softmax")
    expected["evolution"]["selection"].setdefault("partner", "Elite")
    expected["evaluation"].setdefault("sandbox", "Auto")
    for task in expected["tasks"]:
        task.setdefault("train", True)
        task.setdefault("retired", False)
    for expert in expected["experts"]:
        expert.setdefault("vocabulary", "Same")
        expert.setdefault("retired", False)
    assert run["spec"] == expected
    assert parse_resource(run) == manifest


@pytest.mark.parametrize("name", ["tiny", "quickstart"])
def test_examples_are_the_files_of_the_command_line(
    cluster: Cluster, namespace: str, name: str
) -> None:
    rendered = cluster.kubectl("kustomize", str(EXAMPLES / "cluster" / name)).stdout
    (document,) = yaml.safe_load_all(rendered)
    document["metadata"]["namespace"] = namespace
    cluster.apply(document)
    stored = parse_resource(fetched(cluster, namespace, name)).spec
    file = load_manifest(EXAMPLES / f"{name}.yaml").spec
    assert stored.storage.uri
    assert stored.storage.uri.startswith("s3://")
    # Where models and items lie differs; what is done with them does not.
    for same in ("seed", "archive", "evolution", "evaluation"):
        assert getattr(stored, same) == getattr(file, same)
    assert [expert.name for expert in stored.experts] == [expert.name for expert in file.experts]
    assert [task.model_dump(exclude={"items": {"search", "test"}}) for task in stored.tasks] == [
        task.model_dump(exclude={"items": {"search", "test"}}) for task in file.tasks
    ]


def test_a_status_and_metadata_are_not_the_run_s(cluster: Cluster, namespace: str) -> None:
    cluster.apply(edited({"metadata.labels": {"a": "b"}}, VALID), namespace=namespace)
    condition = {
        "type": "Progressing",
        "status": "True",
        "reason": "Evolving",
        "message": "generation 3 of 20",
        "lastTransitionTime": "2026-11-23T01:02:03Z",
        "observedGeneration": 1,
    }
    status = {"runId": "agents-1", "generation": 3, "conditions": [condition]}
    merge = ["patch", "cqd", "agents", "-n", namespace, "--subresource=status", "--type=merge"]
    cluster.kubectl(*merge, "-p", yaml.safe_dump({"status": status}))
    run = fetched(cluster, namespace, "agents")
    assert run["status"] == status
    assert run["metadata"]["managedFields" if "managedFields" in run["metadata"] else "uid"]
    assert parse_resource(run) == parse_manifest(VALID, "run.yaml")
