"""The operator as a process of its own, with the ServiceAccount and the rights that users install.

``operator`` serves the whole cluster for a test. A test that kills it starts it again.
"""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from devcluster.base.binaries import ROOT
from devcluster.base.processes import ServerProcess, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from devcluster.base.cluster import Cluster

NAMESPACE = "cycleqd-system"
ACCOUNT = "cycleqd-operator"
RIGHTS = ROOT / "manifests" / "overlays" / "cluster-wide"
INSTALLED = {"Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding"}


class OperatorProcess:
    """A running operator.

    Attributes:
        identity: the cluster as the operator sees it.
        health_port: of ``/healthz``.
        metrics_port: of ``/metrics``.
        process: can be killed and started again.
    """

    def __init__(self, cluster: Cluster, folder: Path, **settings: str) -> None:
        rendered = cluster.kubectl("kustomize", str(RIGHTS)).stdout
        objects = [each for each in yaml.safe_load_all(rendered) if each["kind"] in INSTALLED]
        cluster.apply(*objects)
        self.identity = cluster.as_service_account(NAMESPACE, ACCOUNT, folder / "kubeconfig")
        self.health_port, self.metrics_port = free_port(), free_port()
        variables = {
            "CYCLEQD_OPERATOR_HEALTH_PORT": str(self.health_port),
            "CYCLEQD_OPERATOR_METRICS_PORT": str(self.metrics_port),
            "CYCLEQD_OPERATOR_LOG_FORMAT": "text",
            **settings,
        }
        self.process = ServerProcess(
            [Path(sys.executable).with_name("cycleqd-operator")],
            {
                "PATH": os.environ["PATH"],
                "HOME": str(folder),
                "KUBECONFIG": str(self.identity.kubeconfig),
                **variables,
            },
            folder / "operator.log",
        )
        self.process.wait_until(self.is_healthy)

    def is_healthy(self) -> bool:
        try:
            url = f"http://127.0.0.1:{self.health_port}/healthz"
            with urllib.request.urlopen(url, timeout=5) as answer:
                return int(answer.status) == 200
        except (urllib.error.URLError, OSError):
            return False

    def start_again(self) -> None:
        self.process.restart()
        self.process.wait_until(self.is_healthy)


@pytest.fixture
def operator(cluster: Cluster, tmp_path: Path) -> Iterator[OperatorProcess]:
    """An operator that serves all namespaces, for one test: others look at runs without one."""
    folder = tmp_path / "operator"
    folder.mkdir()
    running = OperatorProcess(cluster, folder)
    try:
        yield running
    finally:
        running.process.stop()
