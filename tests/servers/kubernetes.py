"""A real Kubernetes API for tests: a control plane started once a session, or the user's cluster.

``cluster`` is what most tests want: a `Cluster` with kubectl, kubeconfig and Python client, on
which the project's custom resource definition is installed. ``control_plane`` is for tests that
break it: the same API server, with components to kill. ``namespace`` is fresh for each test.

With ``CYCLEQD_TEST_KUBECONFIG`` set (``make test-cluster``) nothing is started: ``cluster`` is that
cluster, and tests that need ``control_plane`` are skipped.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from devcluster.base.binaries import ROOT, ToolMissingError, tool
from devcluster.base.cluster import Cluster
from devcluster.base.control_plane import ControlPlane, ControlPlaneSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from subprocess import CompletedProcess

EXISTING = "CYCLEQD_TEST_KUBECONFIG"
CRD = ROOT / "manifests" / "crd" / "cycleqdruns.yaml"
# Quick enough for tests that lose a node, slow enough for a busy machine's heartbeats.
NODE_GRACE_SECONDS = 12


def built(*modules: str) -> None:
    """Skip the test where a program can neither be found nor built."""
    try:
        for module in modules:
            tool(module)
    except ToolMissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A running control plane with the project's definition; tests may kill its components."""
    if os.environ.get(EXISTING):
        pytest.skip(f"needs a control plane of its own, and {EXISTING} names an existing cluster")
    built("etcd", "kubernetes")
    folder = tmp_path_factory.mktemp("control-plane")
    plane = ControlPlane(folder, ControlPlaneSettings(node_grace_seconds=NODE_GRACE_SECONDS))
    plane.start()
    try:
        if CRD.exists():
            plane.admin.apply_crds(CRD)
        yield plane
    finally:
        plane.stop()


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Cluster:
    """The cluster that tests run against, as its administrator sees it."""
    if kubeconfig := os.environ.get(EXISTING):
        built("kubernetes")
        existing = Cluster(Path(kubeconfig).resolve())
        existing.apply_crds(CRD)
        return existing
    plane: ControlPlane = request.getfixturevalue("control_plane")
    return plane.admin


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A fresh namespace whose pods must be restricted; deleted after the test."""
    name = f"test-{uuid.uuid4().hex[:10]}"
    cluster.make_namespace(name, {"pod-security.kubernetes.io/enforce": "restricted"})
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")


@pytest.fixture
def kubectl(cluster: Cluster) -> Callable[..., CompletedProcess[str]]:
    """`Cluster.kubectl` of the administrator."""
    return cluster.kubectl
