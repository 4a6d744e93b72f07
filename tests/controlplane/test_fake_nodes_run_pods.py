"""On kwok's nodes pods are scheduled by GPUs, seem to run, and end when they are told to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from devcluster.played.kwok import Kwok

from tests.controlplane.jobs import ended, eventually, job, pods_of, terminated
from tests.servers.kubernetes import built

if TYPE_CHECKING:
    from pathlib import Path

    from devcluster.base.control_plane import ControlPlane

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(600)]


def test_an_indexed_job_of_gpus(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    built("kwok")
    cluster = control_plane.admin
    gpu = {"resources": {"limits": {"nvidia.com/gpu": "1"}}}
    spec = {"completionMode": "Indexed", "completions": 20, "parallelism": 20, "container": gpu}
    selector = "batch.kubernetes.io/job-name={}".format

    def phases(name: str) -> list[str]:
        return sorted(pod["status"]["phase"] for pod in pods_of(cluster, namespace, name))

    with Kwok(cluster, tmp_path, nodes=2) as kwok:
        cluster.apply(job("many", "", **spec), namespace=namespace)
        # 2 nodes of 8 GPUs: 4 of 20 wait.
        eventually(lambda: phases("many") == ["Pending"] * 4 + ["Running"] * 16)
        kwok.end_pods(namespace, selector("many"))
        eventually(lambda: phases("many") == ["Running"] * 4 + ["Succeeded"] * 16)
        kwok.end_pods(namespace, selector("many"))
        assert eventually(ended(cluster, namespace, "many")) == "Complete"

        cluster.apply(job("bad", ""), namespace=namespace)
        eventually(lambda: phases("bad") == ["Running"])
        kwok.end_pods(namespace, selector("bad"), "Failed", 78)
        assert eventually(ended(cluster, namespace, "bad")) == "Failed"
        assert terminated(pods_of(cluster, namespace, "bad")[0])["exitCode"] == 78

        cluster.apply(job("gone", ""), namespace=namespace)
        eventually(lambda: phases("gone") == ["Running"])
        cluster.kubectl("delete", "job", "gone", "-n", namespace, "--timeout=30s")
        eventually(lambda: not pods_of(cluster, namespace, "gone"))
