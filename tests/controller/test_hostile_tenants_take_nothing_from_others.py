"""On a real API server: runs that are deep, large or tell of thousands of stages harm no other.

Thirty of them stand beside twenty good runs, and the operator stays far below the chart's limit.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from devcluster.base.cluster import Cluster, Json
from devcluster.played.operator_process import OperatorProcess

from cycleqd.contract.config_maps import PROGRESS
from tests.controller.nested import deep_run_text
from tests.controller.runs import run_document
from tests.controller.test_one_bad_object_stops_nobody_else import failure
from tests.controlplane.jobs import eventually

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(600)]

VALUES = Path(__file__).resolve().parents[2] / "charts" / "cycleqd-operator" / "values.yaml"
GOOD, HOSTILE = 20, 10
STAGES = 15_000


def limit_mib() -> int:
    """Memory that the chart gives the operator."""
    text = yaml.safe_load(VALUES.read_text())["resources"]["limits"]["memory"]
    return int(text.removesuffix("Mi"))


def peak_mib(operator: OperatorProcess) -> float:
    """Most memory that the operator ever had."""
    status = Path(f"/proc/{operator.server.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def large_run_text(name: str, namespace: str) -> str:
    """A run of 240 KB of the smallest values, of which Python makes 30 times as much."""
    template = {"spec": {"affinity": {"a": [[[]]] * 40_000}}}
    workers = {"replicas": 1, "template": template}
    return json.dumps(run_document(name, namespace, workers=workers), separators=(",", ":"))


def talkative_run(name: str, namespace: str) -> Json:
    workers = {"replicas": 1, "mode": "Generation"}
    return run_document(name, namespace, workers=workers)


def tell_of_stages(cluster: Cluster, namespace: str, name: str, number: int) -> None:
    stages = [{"stage": f"generations/{n:06}", "entries": 4, "finished": 0} for n in range(number)]
    text = json.dumps({"phase": "Evolving", "observedGeneration": 1, "stages": stages})
    patch = json.dumps({"data": {PROGRESS: text}})
    arguments = ("configmap", f"{name}-progress", "-n", namespace, "--type=merge")
    # A patch is too long for the command line.
    cluster.kubectl("patch", *arguments, "--patch-file=/dev/stdin", stdin=patch)


def test_good_runs_go_on_beside_hostile_ones(
    cluster: Cluster, namespace: str, operator: OperatorProcess
) -> None:
    talkative = [f"talkative-{number}" for number in range(HOSTILE)]
    cluster.apply(*(talkative_run(name, namespace) for name in talkative))
    hostile = [large_run_text(f"large-{number}", namespace) for number in range(HOSTILE)]
    hostile += [deep_run_text(f"deep-{number}", namespace, 500) for number in range(HOSTILE)]
    create = ("create", "--validate=false", "-n", namespace, "-f", "-")
    cluster.kubectl(*create, stdin="\n".join(hostile))
    good = [f"good-{number}" for number in range(GOOD)]
    cluster.apply(*(run_document(name, namespace) for name in good))

    def jobs() -> set[str]:
        return {job["metadata"]["name"] for job in cluster.list("jobs", namespace)}

    eventually(lambda: {f"{name}-coordinator" for name in (*good, *talkative)} <= jobs())
    tell_of_stages(cluster, namespace, "talkative-0", STAGES)
    tell_of_stages(cluster, namespace, "talkative-1", 100)
    for name, word in (("large-9", "takes"), ("deep-9", "levels deep")):
        found = eventually(lambda name=name: failure(cluster, namespace, name))
        assert found["reason"] == "InvalidManifest"
        assert "spec.workers.template.spec" in found["message"]
        assert word in found["message"]
    eventually(lambda: "talkative-1-workers-g000001" in jobs())
    staged = {name for name in jobs() if "-workers-g" in name}
    assert staged == {f"talkative-1-workers-g00000{number}" for number in range(2)}
    assert not [name for name in jobs() if name.startswith(("large", "deep"))]
    restarted = peak_mib(operator)
    operator.server.stop()
    operator.server.restart()
    operator.wait_until_ready()
    cluster.kubectl("delete", "job", "good-3-coordinator", "-n", namespace, "--cascade=background")
    eventually(lambda: "good-3-coordinator" in jobs())
    assert operator.server.running, operator.server.tail()
    assert "Traceback" not in operator.log.read_text()
    peak = max(restarted, peak_mib(operator))
    print(f"the operator took {peak:.0f} MiB at most")
    assert peak < limit_mib() * 0.75
