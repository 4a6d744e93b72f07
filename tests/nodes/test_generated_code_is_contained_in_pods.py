"""Inside a real worker's pod, under restricted Pod Security, attacks get nothing.

They are those of ``tests/evaluation/attacks.py``, run by the worker's own user through the socket
of the container beside it; that container has another user and sees nothing of the worker's. Fork
bombs are among them, for there the kernel asks before each process (`harness.gate`); what a kubelet
allows a pod bounds whatever runs in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from devcluster.real.node_files import POD_PIDS

from tests.controlplane.jobs import RESTRICTED, eventually
from tests.nodes.pod_attacks import FORKS, attack_in, most_processes

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.controlplane.runs import ClusterRun
    from tests.nodes.site import Site

pytestmark = [pytest.mark.nodes, pytest.mark.timeout(1200, func_only=True)]

SECONDS = 600
# Two programs run at a time, each of at most 32 processes, and a few that asked at the same moment.
BOUND = 200


def test_attacks_get_nothing_in_a_worker_s_pod(pod_run: Callable[..., ClusterRun]) -> None:
    # More generations than the attacks take: the pod stays until they are over.
    run = pod_run(200, workers={"replicas": 1})

    def running() -> str:
        return next(
            (
                pod["metadata"]["name"]
                for pod in run.pods("worker")
                if all(state.get("ready") for state in pod["status"].get("containerStatuses", [{}]))
            ),
            "",
        )

    pod = eventually(running, SECONDS)
    (spec,) = [found["spec"] for found in run.pods("worker") if found["metadata"]["name"] == pod]
    sandbox = next(each for each in spec["initContainers"] if each["name"] == "sandbox")
    found = attack_in(run.cluster, run.namespace, pod)
    assert found["wrong"] == []
    assert found["traces"] == []
    assert found["confinement"] == "container"
    user, *seen = found["look"].splitlines()
    assert int(user) == sandbox["securityContext"]["runAsUser"] != found["user"]
    assert not [line for line in seen if line.startswith(("AWS_", "CYCLEQD_"))]
    assert [line for line in seen if "/scratch" in line and "cannot access" in line]
    assert [line for line in seen if "/sandbox-files/x" in line]
    assert "passed" not in {found["statuses"][f"{kind} fork bomb"] for kind in ("python", "shell")}
    assert int(found["count"]) == 32
    assert most_processes(run.cluster, run.namespace, pod) <= BOUND
    # Nobody died of it, and the run goes on.
    (after,) = [found for found in run.pods("worker") if found["metadata"]["name"] == pod]
    assert [each["restartCount"] for each in after["status"]["containerStatuses"]] == [0]
    run.wait_for_generation(run.progress().get("generation", 0) + 1, SECONDS)


def test_a_pod_gets_no_more_processes_than_its_kubelet_allows(
    own_site: Site, test_namespace: str
) -> None:
    contained = {
        "name": "forks",
        "image": own_site.worker_image,
        "command": ["python3", "-S", "-c", FORKS, str(POD_PIDS + 200)],
        "securityContext": RESTRICTED,
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "forks"},
        "spec": {"restartPolicy": "Never", "containers": [contained]},
    }
    own_site.cluster.apply(pod, namespace=test_namespace)

    def got() -> str:
        logs = own_site.cluster.kubectl("logs", "-n", test_namespace, "forks", check=False)
        return logs.stdout

    # The pod's sandbox is one of its processes, too.
    assert POD_PIDS - 10 <= int(eventually(got, SECONDS)) < POD_PIDS
