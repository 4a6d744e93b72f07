"""The examples for clusters are valid, and those of `make cluster` differ from one machine's only
in where things are: they cannot drift apart, because kustomize makes them of the same files.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from cycleqd.manifest.reader import parse_manifest

from .rendering import MANIFESTS, kustomize

if TYPE_CHECKING:
    from pathlib import Path

    from devcluster.base.cluster import Cluster

CLUSTER = MANIFESTS / "examples" / "cluster"
ALONE = sorted(CLUSTER.glob("*.yaml"))
DEMOS = {"tiny": "tiny", "quickstart": "smollm2"}


def test_there_are_some() -> None:
    assert len(ALONE) >= 3


@pytest.mark.parametrize("path", ALONE, ids=lambda path: path.name)
def test_valid_for_the_command_line(path: Path) -> None:
    assert parse_manifest(path.read_text("utf-8"), path.name).spec.storage is not None


@pytest.mark.controlplane
@pytest.mark.parametrize("path", ALONE, ids=lambda path: path.name)
def test_valid_for_the_api_server(cluster: Cluster, namespace: str, path: Path) -> None:
    document = yaml.safe_load(path.read_text("utf-8"))
    document["metadata"]["namespace"] = namespace
    cluster.kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=document)


def _without_places(document: dict[str, Any]) -> str:
    """A manifest without what a cluster changes."""
    spec = dict(document["spec"])
    for field in ("storage", "workers"):
        spec.pop(field, None)
    text = json.dumps(spec, sort_keys=True)
    for folder in DEMOS.values():
        text = text.replace(f"s3://cycleqd/demo/{folder}/", f"out/demo/{folder}/")
    return text


@pytest.mark.controlplane
@pytest.mark.parametrize("name", DEMOS)
def test_demos_are_the_same_runs(name: str) -> None:
    (found,) = kustomize(CLUSTER / name)
    assert found["metadata"] == {"name": name, "namespace": "demo"}
    local = yaml.safe_load((MANIFESTS / "examples" / f"{name}.yaml").read_text("utf-8"))
    assert _without_places(found) == _without_places(local)
    assert "out/" not in json.dumps(found)
    manifest = parse_manifest(json.dumps(found), name)
    storage = manifest.spec.storage
    assert storage.uri == "s3://cycleqd/runs"
    assert storage.s3.credentials_secret_ref is not None
