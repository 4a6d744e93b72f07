"""Inside a real worker's pod, under restricted Pod Security, attacks get nothing.

They are those of ``tests/evaluation/attacks.py``, run by the worker's own user through the socket
of the container beside it; that container has another user and sees nothing of the worker's. Fork
bombs are among them, for there the kernel asks before each process (`harness.gate`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.controlplane.jobs import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.controlplane.runs import ClusterRun

pytestmark = [pytest.mark.nodes, pytest.mark.timeout(1200, func_only=True)]

ATTACKS = Path(__file__).parents[1] / "evaluation" / "attacks.py"
SECONDS = 600
RUN = """
import json, os
from cycleqd.evaluation.sandbox import Container, Sandbox
attacks = {**PYTHON_ATTACKS, **SHELL_ATTACKS}
innocent = PythonProgram("", "x = 1", "assert x == 1")
look = ShellProgram({}, "id -u; ls /scratch /etc/cycleqd-ca 2>&1; touch /sandbox-files/x 2>&1; env")
with Sandbox(container=Container.of(os.environ), slots=2) as box:
    found = {"confinement": box.confinement, "user": os.getuid()}
    programs = [attack.program(os.getpid()) for attack in attacks.values()]
    reports = box.run([each for program in programs for each in (program, innocent)])
    (found["look"],) = [report.stdout for report in box.run([look])]
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
    done = run.cluster.kubectl(*command, stdin=ATTACKS.read_text() + RUN, timeout=SECONDS)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["wrong"] == []
    assert found["traces"] == []
    assert found["confinement"] == "container"
    user, *seen = found["look"].splitlines()
    assert int(user) == sandbox["securityContext"]["runAsUser"] != found["user"]
    assert not [line for line in seen if line.startswith(("AWS_", "CYCLEQD_"))]
    assert [line for line in seen if "/scratch" in line and "cannot access" in line]
    assert [line for line in seen if "/sandbox-files/x" in line]
