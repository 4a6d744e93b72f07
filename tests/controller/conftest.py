"""The operator as a process, serving one namespace of a real cluster by a Role alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from devcluster.base.cluster import Cluster
from devcluster.played.operator_process import OperatorProcess, grant


@pytest.fixture
def operator_kubeconfig(cluster: Cluster, namespace: str, tmp_path: Path) -> Path:
    return grant(cluster, namespace, tmp_path / "operator.kubeconfig")


@pytest.fixture
def operator(
    operator_kubeconfig: Path, namespace: str, tmp_path: Path
) -> Iterator[OperatorProcess]:
    with OperatorProcess(
        operator_kubeconfig,
        tmp_path,
        NAMESPACES=namespace,
        RESYNC_SECONDS="20",
        STATUS_INTERVAL_SECONDS="1",
        WORKER_RESOURCES="{}",
    ) as process:
        process.wait_until_ready()
        yield process
