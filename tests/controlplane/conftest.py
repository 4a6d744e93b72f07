"""Two played nodes, runs on them, and what `cycleqd run` makes of the same manifests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from devcluster.played.pod_player import PodPlayer

from tests.controlplane.runs import ClusterRun, reference_run, small_manifest, upload_demo
from tests.sharing import shared_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from devcluster.base.control_plane import ControlPlane

    from tests.servers.operator import OperatorProcess
    from tests.servers.s3 import S3Server

GPUS = {"nvidia.com/gpu": "2"}
# Threads that wait for each other on busy cores cost far more.
VARIABLES = {"OMP_NUM_THREADS": "1"}


@pytest.fixture
def node(control_plane: ControlPlane, tmp_path: Path) -> Iterator[PodPlayer]:
    """A node that plays pods as local processes."""
    folder = tmp_path / "node-a"
    with PodPlayer(control_plane, "node-a", folder, capacity=GPUS, variables=VARIABLES) as player:
        yield player


@pytest.fixture
def second_node(control_plane: ControlPlane, tmp_path: Path) -> Iterator[PodPlayer]:
    """Another one, for what a lost node leaves behind."""
    folder = tmp_path / "node-b"
    with PodPlayer(control_plane, "node-b", folder, capacity=GPUS, variables=VARIABLES) as player:
        yield player


@pytest.fixture(scope="session")
def examples(tiny_demo: None, versitygw: S3Server) -> S3Server:
    """The S3 server with the tiny example's models and items."""
    upload_demo(versitygw)
    return versitygw


@pytest.fixture(scope="session")
def reference(
    examples: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[int], dict[str, bytes]]:
    """What `cycleqd run` of the manifest with so many generations stores; run once for each."""
    folder = shared_folder(tmp_path_factory)
    return lambda generations: reference_run(
        examples, generations, folder / "reference" / str(generations)
    )


@pytest.fixture
def cluster_run(
    control_plane: ControlPlane, operator: OperatorProcess, namespace: str, examples: S3Server
) -> Iterator[Callable[..., ClusterRun]]:
    """Applies a run in the test's namespace; it is deleted after the test."""
    applied: list[ClusterRun] = []

    def apply(generations: int, **spec: Any) -> ClusterRun:
        document = small_manifest(examples, f"runs/{namespace}", generations, **spec)
        run = ClusterRun(control_plane.admin, namespace, examples, document)
        run.apply()
        applied.append(run)
        return run

    yield apply
    for run in applied:
        run.cluster.kubectl("delete", "cqd", "--all", "-n", run.namespace, "--timeout=60s")
