"""Whatever is killed during a run, it completes, and its archives are those of a quiet run.

All in the middle of one run: a worker, the coordinator, the operator, the S3 server for 20 s, a
node that never comes back, the API server for 20 s. Nobody repairs anything; disruptions from
outside do not count as failed pods.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.controlplane.jobs import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from devcluster.base.control_plane import ControlPlane
    from devcluster.played.pod_player import PodPlayer

    from tests.controlplane.runs import ClusterRun
    from tests.servers.operator import OperatorProcess

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(1800)]

GENERATIONS = 9
OUTAGE_SECONDS = 20


def test_archives_are_those_of_a_quiet_run(
    *,
    cluster_run: Callable[..., ClusterRun],
    reference: Callable[[int], dict[str, bytes]],
    control_plane: ControlPlane,
    operator: OperatorProcess,
    node: PodPlayer,
    second_node: PodPlayer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = cluster_run(GENERATIONS, workers={"replicas": 2})
    players = {player.name: player for player in (node, second_node)}

    def kill(component: str) -> None:
        pod = running(run, component)
        player = players[pod["spec"]["nodeName"]]
        player.pod(run.namespace, pod["metadata"]["name"]).kill()
        gone(run, pod)

    run.wait_for_generation(1)
    kill("worker")
    run.wait_for_generation(2)
    kill("coordinator")
    run.wait_for_generation(3)
    operator.process.kill()
    run.wait_for_generation(4)
    operator.start_again()

    run.wait_for_generation(5)
    run.server.process.kill()
    time.sleep(OUTAGE_SECONDS)
    eventually(lambda: run.progress()["storeError"])
    run.server.process.restart()

    run.wait_for_generation(6)
    coordinator = running(run, "coordinator")
    players[coordinator["spec"]["nodeName"]].lose()

    def successors() -> list[dict]:
        return [pod for pod in run.pods("coordinator") if is_new(pod, coordinator)]

    (successor,) = eventually(successors, 300)
    assert successor["spec"]["nodeName"] != coordinator["spec"]["nodeName"]

    run.wait_for_generation(7)
    assert not run.has("Complete")
    control_plane.kill_component("kube-apiserver")
    time.sleep(OUTAGE_SECONDS)
    control_plane.start_component("kube-apiserver")
    if not operator.process.running:  # a Deployment would do the same
        operator.start_again()

    expected = reference(GENERATIONS)  # while the run goes on
    ended = run.wait_for_complete()
    assert ended["status"]["generation"] == GENERATIONS
    report = f"/report/{GENERATIONS:06d}/"  # is written when the run is complete already
    eventually(lambda: report in run.progress().get("report", ""))
    found = run.archives(monkeypatch)
    assert found.keys() == expected.keys()
    assert [key for key in found if found[key] != expected[key]] == []
    # The two processes that were killed by hand ended with an exit status; nothing else counts.
    assert ended["status"]["workers"]["failedPods"] <= 2


def running(run: ClusterRun, component: str) -> dict:
    """A pod of a role that is up."""
    return eventually(
        lambda: [p for p in run.pods(component) if p["status"]["phase"] == "Running"]
    )[0]


def is_new(pod: dict, old: dict) -> bool:
    """Whether a pod is another one, and has a node."""
    return pod["metadata"]["uid"] != old["metadata"]["uid"] and "nodeName" in pod["spec"]


def gone(run: ClusterRun, pod: dict) -> None:
    """Wait until a pod has ended."""
    name = pod["metadata"]["name"]
    selector = pod["metadata"]["labels"]["app.kubernetes.io/component"]
    eventually(lambda: name not in [p["metadata"]["name"] for p in run.pods(selector)])
