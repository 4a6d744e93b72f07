"""Inside a real worker's pod, under restricted Pod Security, attacks get nothing.

They are those of ``tests/evaluation/attacks.py``, run by the worker's own user through the socket
of the container beside it; that container has another user and sees nothing of the worker's. Fork
bombs are among them, for there the kernel asks before each process (`harness.gate`); what a kubelet
allows a pod bounds whatever runs in it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from devcluster.real.node_files import POD_PIDS

from tests.controlplane.jobs import RESTRICTED, eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.controlplane.runs import ClusterRun
    from tests.nodes.site import Site

pytestmark = [pytest.mark.nodes, pytest.mark.timeout(1200, func_only=True)]

ATTACKS = Path(__file__).parents[1] / "evaluation" / "attacks.py"
SECONDS = 600
# Two programs run at a time, each of at most 32 processes, and a few that asked at the same moment.
BOUND = 200
# Tells how many processes it has got; ends with what it started.
FORKS = """
import os, sys, time
got = 1
try:
    for _ in range(int(sys.argv[1])):
        os.fork() or (time.sleep(60), os._exit(0))
        got += 1
except BlockingIOError:
    pass
print(got)
"""
PEAK = """
from pathlib import Path
peaks = [Path("/sys/fs/cgroup", folder, "pids.peak") for folder in ("", "pids")]
print(*(peak.read_text() for peak in peaks if peak.exists()))
"""
RUN = """
import json, os
from cycleqd.evaluation.sandbox import Container, Sandbox
# Some names stand for one of each.
attacks = {
    f"{kind} {name}": attack
    for kind, some in (("python", PYTHON_ATTACKS), ("shell", SHELL_ATTACKS))
    for name, attack in some.items()
}
innocent = PythonProgram("", "x = 1", "assert x == 1")
look = ShellProgram({}, "id -u; ls /scratch /etc/cycleqd-ca 2>&1; touch /sandbox-files/x 2>&1; env")
with Sandbox(container=Container.of(os.environ), slots=2) as box:
    found = {"confinement": box.confinement, "user": os.getuid()}
    programs = [attack.program(os.getpid()) for attack in attacks.values()]
    reports = box.run([each for program in programs for each in (program, innocent)])
    count = ShellProgram({"count.py": FORKS}, "exec python3 -S count.py 400")
    found["look"], found["count"] = [report.stdout for report in box.run([look, count])]
found["bombs"] = {
    name: report.status
    for name, report in zip(attacks, reports[::2], strict=True)
    if name.endswith("fork bomb")
}
found["wrong"] = [
    name
    for (name, attack), report, after in zip(
        attacks.items(), reports[::2], reports[1::2], strict=True
    )
    if report.status not in attack.allowed
    or "LOOT" in report.stdout
    or after.status != "passed"
]
found["traces"] = traces()
print(json.dumps(found))
"""


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
    command = ("exec", "-i", "-n", run.namespace, pod, "-c", "worker", "--", "python", "-")
    program = f"{ATTACKS.read_text()}\nFORKS = {FORKS!r}\n{RUN}"
    done = run.cluster.kubectl(*command, stdin=program, timeout=SECONDS)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["wrong"] == []
    assert found["traces"] == []
    assert found["confinement"] == "container"
    user, *seen = found["look"].splitlines()
    assert int(user) == sandbox["securityContext"]["runAsUser"] != found["user"]
    assert not [line for line in seen if line.startswith(("AWS_", "CYCLEQD_"))]
    assert [line for line in seen if "/scratch" in line and "cannot access" in line]
    assert [line for line in seen if "/sandbox-files/x" in line]
    assert len(found["bombs"]) == 2
    assert "passed" not in found["bombs"].values()
    assert int(found["count"]) == 32
    command = ("exec", "-i", "-n", run.namespace, pod, "-c", "sandbox", "--", "python", "-")
    for peak in run.cluster.kubectl(*command, stdin=PEAK).stdout.split():
        assert int(peak) <= BOUND
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
