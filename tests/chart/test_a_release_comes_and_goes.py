"""Installing, upgrading, uninstalling and installing again lose no run and no definition.

Both helms do it on a real API server. Its own control plane only: on a user's cluster the
definition may belong to a release already.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from .rendering import CHART, HELMS, MANIFESTS, RELEASE, kustomize, program

if TYPE_CHECKING:
    from pathlib import Path

    from devcluster.base.cluster import Cluster
    from devcluster.base.control_plane import ControlPlane

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(300)]

CRD = "cycleqdruns.cycleqd.io"


class Helm:
    """A helm against one cluster and namespace, with folders of its own."""

    def __init__(self, name: str, cluster: Cluster, namespace: str, home: Path) -> None:
        self._command = [str(program(name)), "--namespace", namespace]
        self._env = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "KUBECONFIG": str(cluster.kubeconfig),
        }

    def __call__(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self._command, *arguments],
            env=self._env,
            capture_output=True,
            text=True,
            check=False,
            timeout=90,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def _log_level(cluster: Cluster, namespace: str) -> str:
    deployment = cluster.get("deployment", RELEASE, namespace)
    assert deployment is not None
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    (level,) = [v["value"] for v in container["env"] if v["name"] == "CYCLEQD_OPERATOR_LOG_LEVEL"]
    return str(level)


@pytest.mark.parametrize("name", HELMS)
def test_a_run_stays(
    control_plane: ControlPlane, namespace: str, name: str, tmp_path: Path
) -> None:
    cluster = control_plane.admin
    helm = Helm(name, cluster, namespace, tmp_path)
    scope = ["--set", f"watchNamespaces={{{namespace}}}"]
    # The tests' control plane has the definition already, without an owner or another test's.
    said = helm("install", RELEASE, str(CHART), *scope, "--take-ownership")
    assert f"serves the namespaces {namespace}" in said
    (tiny,) = kustomize(MANIFESTS / "examples" / "cluster" / "tiny")
    cluster.apply(tiny | {"metadata": {"name": "tiny", "namespace": namespace}})
    before = cluster.get("cqd", "tiny", namespace)
    assert before is not None
    assert _log_level(cluster, namespace) == "INFO"

    changes = ["--set", "operator.logLevel=DEBUG", "--reset-then-reuse-values"]
    helm("upgrade", RELEASE, str(CHART), *changes)
    assert _log_level(cluster, namespace) == "DEBUG"

    helm("uninstall", RELEASE, "--wait", "--timeout=60s")
    assert cluster.get("deployment", RELEASE, namespace) is None
    assert cluster.get("role", RELEASE, namespace) is None
    assert cluster.get("crd", CRD) is not None

    helm("install", RELEASE, str(CHART), *scope)
    after = cluster.get("cqd", "tiny", namespace)
    assert after is not None
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    helm("uninstall", RELEASE, "--wait", "--timeout=60s")
