"""Whatever is killed in the middle of a run, it completes with the archives of `cycleqd run`.

In a namespace under the restricted Pod Security Standard, from the images of the Dockerfile and the
operator that the chart installed. The workers' GPUs are counted by the scheduler.

Of one run, whose generations have workers of their own, the pods are killed: a worker's, the
operator's, the coordinator's. When it is done its workers are gone, and deleting it removes every
object that was made for it, but nothing in S3.

Around another one the site fails: the S3 server, then the API server, each for 20 seconds, then the
coordinator's node with all that runs on it, which never comes back while the run lasts. This run
logs itself in MLflow, which then has the numbers of `cycleqd status`.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from devcluster.real import nodes, records, storage
from devcluster.real.installation import NAMESPACE
from devcluster.real.layout import HOST_ADDRESS, NODES

from cycleqd.run.store import RunStore
from cycleqd.store import open_store
from cycleqd.store.access import environment_of
from cycleqd.tracking.mlflow_client import Server, connect
from tests.controlplane.jobs import condition_of, eventually
from tests.controlplane.runs import NAME
from tests.servers import login, mlflow
from tests.tracking.mlflow_contents import check_numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.controlplane.runs import ClusterRun
    from tests.nodes.site import Site

pytestmark = [pytest.mark.nodes, pytest.mark.timeout(2400, func_only=True)]

GENERATIONS = 3
OUTAGE_SECONDS = 20
MADE_FOR_A_RUN = "jobs,pods,configmaps,roles,rolebindings,serviceaccounts"
SECONDS = 1200


@pytest.fixture
def disturbed(
    pod_run: Callable[..., ClusterRun],
    reference: Callable[[int], dict[str, bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., ClusterRun]:
    """Evolves with disturbances in the middle, one a generation, and compares."""

    def evolve(*disturbances: Callable[[ClusterRun], None], **spec: Any) -> ClusterRun:
        run = pod_run(GENERATIONS, **spec)
        for committed, disturb in enumerate(disturbances):
            run.wait_for_generation(committed, SECONDS)
            assert not run.has("Complete")
            disturb(run)
        expected = reference(GENERATIONS)  # while the run goes on
        ended = run.wait_for_complete(SECONDS)
        assert ended["status"]["generation"] == GENERATIONS
        assert ended["status"]["observedGeneration"] == ended["metadata"]["generation"]
        assert condition_of(ended, "Failed") == "False"
        assert condition_of(ended, "StorageReady") == "True"
        found = run.archives(monkeypatch)
        assert found.keys() == expected.keys()
        assert [key for key in found if found[key] != expected[key]] == []
        return run

    return evolve


def kill_pod(site: Site, namespace: str, name: str) -> None:
    """Let the kubelet kill a pod at once, without a chance to finish anything."""
    site.cluster.kubectl(
        *("delete", "pod", name, "-n", namespace),
        *("--grace-period=0", "--force", "--wait=false", "--ignore-not-found"),
    )


def kill_one(site: Site, run: ClusterRun, component: str) -> None:
    """Kill a pod of a run, and wait for the one that takes its place."""
    pod = eventually(lambda: run.pods(component), 300)[0]
    kill_pod(site, run.namespace, pod["metadata"]["name"])
    uid = pod["metadata"]["uid"]
    eventually(lambda: any(other["metadata"]["uid"] != uid for other in run.pods(component)), 120)


def test_killed_pods(
    site: Site, disturbed: Callable[..., ClusterRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill_worker(run: ClusterRun) -> None:
        container = eventually(lambda: run.pods("worker"), 300)[0]["spec"]["containers"][0]
        assert container["image"] == site.worker_image
        assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
        kill_one(site, run, "worker")

    def kill_operator(run: ClusterRun) -> None:
        (before,) = site.operator_pods()
        kill_pod(site, NAMESPACE, before)
        eventually(lambda: [name for name in site.operator_pods() if name != before], 180)

    run = disturbed(
        kill_worker,
        kill_operator,
        lambda run: kill_one(site, run, "coordinator"),
        workers={"replicas": 2, "mode": "Generation"},
    )
    eventually(lambda: not run.pods("worker"), 300)
    kept = run.archives(monkeypatch).keys()
    scope = ["-n", run.namespace]
    run.cluster.kubectl("delete", "cqd", NAME, *scope, "--timeout=60s")
    own = ["-l", f"cycleqd.io/run={NAME}", "-o", "name"]
    eventually(lambda: not run.cluster.kubectl("get", MADE_FOR_A_RUN, *scope, *own).stdout, 300)
    assert run.archives(monkeypatch).keys() == kept


@pytest.fixture
def restored_nodes(own_site: Site) -> Iterator[None]:
    """Brings back whatever node the test has lost."""
    yield
    for node in NODES:
        if nodes.process(node).pid is None:
            nodes.process(node).start()
    for node in NODES:
        nodes.wait_until_ready(node, own_site.cluster)


def test_outages_and_a_lost_node(
    *,
    own_site: Site,
    restored_nodes: None,
    test_namespace: str,
    disturbed: Callable[..., ClusterRun],
    tmp_path: Path,
) -> None:
    with mlflow.running(tmp_path) as server, login.before(server, HOST_ADDRESS) as door:
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "mlflow-login"},
            "stringData": {"MLFLOW_TRACKING_TOKEN": door.token},
        }
        own_site.cluster.apply(secret, namespace=test_namespace)
        client = connect(Server(server))

        def lose_node(run: ClusterRun) -> None:
            eventually(lambda: client.get_experiment_by_name(NAME), 300)
            lose_node_of_coordinator(run)

        place = {
            "uri": door.address,
            "experiment": NAME,
            "credentialsSecretRef": {"name": "mlflow-login"},
        }
        run = disturbed(
            lambda run: stop(own_site, storage.NAME),
            lambda run: stop(own_site, "kube-apiserver"),
            lose_node,
            workers={"replicas": 2},
            tracking={"mlflow": place},
        )
        assert not door.answers[False]
        if late := run.progress()["trackingError"]:  # what a busy machine did not log by the end
            assert "unexpected" not in late
            command = shlex.split(late.partition("log what is missing by: ")[2])
            cycleqd(run, *command[1:], MLFLOW_TRACKING_TOKEN=door.token)
        uri = f"{run.document['spec']['storage']['uri']}/{NAME}"
        stored = RunStore(open_store(uri, run.server.settings))
        status = json.loads(cycleqd(run, "status", uri, "--json"))
        check_numbers(server, NAME, stored, status)


def stop(site: Site, server: str) -> None:
    """Let a server of the site be away for a while."""
    record = records.read(server)
    record.end(0)
    try:
        time.sleep(OUTAGE_SECONDS)
    finally:
        record.start()
    eventually(lambda: site.cluster.kubectl("get", "nodes", check=False).returncode == 0)


def lose_node_of_coordinator(run: ClusterRun) -> None:
    """Lose a node, and wait for the coordinator that takes the place of the one on it."""
    coordinator = eventually(lambda: run.pods("coordinator"))[0]
    name = coordinator["spec"]["nodeName"]
    lost = nodes.process(next(node for node in NODES if node.name == name))
    lost.end(0)
    uid = coordinator["metadata"]["uid"]
    eventually(
        lambda: any(other["metadata"]["uid"] != uid for other in run.pods("coordinator")), 300
    )
    assert lost.pid is None


def cycleqd(run: ClusterRun, *arguments: str, **variables: str) -> str:
    """What a command prints that is given beside a run, with the rights to its store."""
    told = os.environ | run.server.env | environment_of(run.server.settings) | variables
    return subprocess.run(
        [sys.executable, "-m", "cycleqd.cli", *arguments],
        env=told,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=300,
    ).stdout
