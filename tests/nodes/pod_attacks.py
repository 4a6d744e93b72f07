"""The attacks of ``tests/evaluation/attacks.py``, made by a worker of a real pod.

The worker's own user runs them through the socket of the container beside it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from devcluster.base.cluster import Cluster

ATTACKS = Path(__file__).parents[1] / "evaluation" / "attacks.py"
SECONDS = 600
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
_PEAK = """
from pathlib import Path
peaks = [Path("/sys/fs/cgroup", folder, "pids.peak") for folder in ("", "pids")]
print(*(peak.read_text() for peak in peaks if peak.exists()))
"""
_RUN = """
import json, os
from cycleqd.evaluation.sandbox import Container, Sandbox
attacks = named()
innocent = PythonProgram("", "x = 1", "assert x == 1")
look = ShellProgram({}, "id -u; ls /scratch /etc/cycleqd-ca 2>&1; touch /sandbox-files/x 2>&1; env")
count = ShellProgram({"count.py": FORKS}, "exec python3 -S count.py 400")
with Sandbox(container=Container.of(os.environ), slots=2) as box:
    found = {"confinement": box.confinement, "user": os.getuid()}
    programs = [attack.program(os.getpid()) for attack in attacks.values()]
    reports = box.run([each for program in programs for each in (program, innocent)])
    found["look"], found["count"] = [report.stdout for report in box.run([look, count])]
found["statuses"] = dict(zip(attacks, [report.status for report in reports[::2]], strict=True))
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


def attack_in(cluster: Cluster, namespace: str, pod: str) -> dict[str, Any]:
    """Make all attacks in a worker's pod.

    Returns:
        The worker's ``user``, the ``confinement``, the status of each attack in ``statuses``, names
        of those that got something in ``wrong``, ``traces`` that they left, what a shell program
        sees in ``look``, and how many processes one gets in ``count``.
    """
    program = f"{ATTACKS.read_text()}\nFORKS = {FORKS!r}\n{_RUN}"
    command = ("exec", "-i", "-n", namespace, pod, "-c", "worker", "--", "python", "-")
    done = cluster.kubectl(*command, stdin=program, timeout=SECONDS)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def most_processes(cluster: Cluster, namespace: str, pod: str) -> int:
    """How many processes the container for generated code had at most; 0 before Linux 6.11."""
    command = ("exec", "-i", "-n", namespace, pod, "-c", "sandbox", "--", "python", "-")
    return max(map(int, cluster.kubectl(*command, stdin=_PEAK).stdout.split()), default=0)
