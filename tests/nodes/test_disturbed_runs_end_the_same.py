"""Whatever is killed in the middle of a run, it completes with the very same archives.

A worker pod, the coordinator pod, the operator pod; the S3 server and the API server for 20
seconds; one node with all that runs on it, which never comes back while the run lasts.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from devcluster.real import nodes, records, storage
from devcluster.real.installation import NAMESPACE
from devcluster.real.layout import NODES

from tests.controlplane.jobs import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from devcluster.real.layout import NodeLayout

    from tests.controlplane.runs import ClusterRun
    from tests.nodes.site import Site

pytestmark = [pytest.mark.nodes, pytest.mark.timeout(2400, func_only=True)]

GENERATIONS = 4
BEFORE = 1  # committed when the disturbance comes
OUTAGE_SECONDS = 20
SECONDS = 1200


@pytest.fixture
def disturbed(
    pod_run: Callable[..., ClusterRun],
    reference: Callable[[int], dict[str, bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[Callable[[ClusterRun], None]], None]:
    """Evolves with a disturbance in the middle, and compares."""

    def evolve(disturb: Callable[[ClusterRun], None]) -> None:
        run = pod_run(GENERATIONS, workers={"replicas": 2})
        run.wait_for_generation(BEFORE, SECONDS)
        assert not run.has("Complete")
        disturb(run)
        expected = reference(GENERATIONS)  # while the run goes on
        ended = run.wait_for_complete(SECONDS)
        assert ended["status"]["generation"] == GENERATIONS
        found = run.archives(monkeypatch)
        assert found.keys() == expected.keys()
        assert [key for key in found if found[key] != expected[key]] == []

    return evolve


def kill_pod(site: Site, namespace: str, name: str) -> None:
    """Let the kubelet kill a pod at once, without a chance to finish anything."""
    site.cluster.kubectl(
        *("delete", "pod", name, "-n", namespace),
        *("--grace-period=0", "--force", "--wait=false"),
    )


@pytest.mark.parametrize("component", ["worker", "coordinator"])
def test_killed_pod(component: str, site: Site, disturbed: Callable[..., None]) -> None:
    def kill(run: ClusterRun) -> None:
        pod = run.pods(component)[0]
        kill_pod(site, run.namespace, pod["metadata"]["name"])
        uid = pod["metadata"]["uid"]
        eventually(
            lambda: any(other["metadata"]["uid"] != uid for other in run.pods(component)), 120
        )

    disturbed(kill)


def test_killed_operator(site: Site, disturbed: Callable[..., None]) -> None:
    def kill(run: ClusterRun) -> None:
        (before,) = site.operator_pods()
        kill_pod(site, NAMESPACE, before)
        eventually(lambda: [name for name in site.operator_pods() if name != before], 180)

    disturbed(kill)


@pytest.mark.parametrize("server", [storage.NAME, "kube-apiserver"])
def test_outage(server: str, own_site: Site, disturbed: Callable[..., None]) -> None:
    def stop(run: ClusterRun) -> None:
        record = records.read(server)
        record.end(0)
        try:
            time.sleep(OUTAGE_SECONDS)
        finally:
            record.start()
        eventually(lambda: own_site.cluster.kubectl("get", "nodes", check=False).returncode == 0)

    disturbed(stop)


@pytest.fixture
def restored_nodes(own_site: Site) -> Iterator[None]:
    """Brings back whatever node the test has lost."""
    yield
    for node in NODES:
        if nodes.process(node).pid is None:
            nodes.process(node).start()
    for node in NODES:
        nodes.wait_until_ready(node, own_site.cluster)


def test_lost_node(own_site: Site, restored_nodes: None, disturbed: Callable[..., None]) -> None:
    def lose(run: ClusterRun) -> None:
        (coordinator,) = run.pods("coordinator")
        node = node_of(coordinator["spec"]["nodeName"])
        nodes.process(node).end(0)
        uid = coordinator["metadata"]["uid"]
        eventually(
            lambda: any(other["metadata"]["uid"] != uid for other in run.pods("coordinator")), 300
        )
        assert nodes.process(node).pid is None

    disturbed(lose)


def node_of(name: str) -> NodeLayout:
    """The layout of a node by its name."""
    return next(node for node in NODES if node.name == name)
