"""The operator holds no state: killed or cut off at any moment, it goes on from what is there."""

from __future__ import annotations

import time

import pytest
from devcluster.base.cluster import Cluster
from devcluster.base.control_plane import ControlPlane
from devcluster.played.operator_process import TERM_SECONDS, OperatorProcess

from tests.controller.runs import run_document
from tests.controller.test_a_run_s_children_follow_it import FIXED, children, has, report
from tests.controlplane.jobs import eventually

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(1800)]

OUTAGE_SECONDS = 20.0


def test_an_api_server_that_is_gone_for_20_s(
    control_plane: ControlPlane, namespace: str, operator: OperatorProcess
) -> None:
    admin = control_plane.admin
    admin.apply(run_document("one", namespace))
    eventually(has(admin, namespace, *FIXED))
    control_plane.kill_component("kube-apiserver")
    time.sleep(OUTAGE_SECONDS)
    control_plane.start_component("kube-apiserver")
    admin.apply(run_document("two", namespace))
    report(admin, namespace, 2)
    admin.kubectl("delete", "job", "one-coordinator", "-n", namespace, "--wait=false")
    eventually(lambda: admin.get("job", "two-coordinator", namespace), 300)
    eventually(has(admin, namespace, *FIXED, ("job", "one-workers")), 300)
    assert operator.server.running, operator.server.tail()


def test_what_happened_while_it_was_stopped_is_caught_up(
    cluster: Cluster, namespace: str, operator: OperatorProcess
) -> None:
    cluster.apply(run_document("one", namespace), run_document("gone", namespace))
    eventually(has(cluster, namespace, *FIXED))
    operator.server.stop(TERM_SECONDS)
    cluster.kubectl("delete", "cqd", "gone", "-n", namespace, "--timeout=30s")
    cluster.kubectl("delete", "configmap", "one-manifest", "-n", namespace)
    report(cluster, namespace, 4)
    operator.server.restart()
    operator.wait_until_ready()
    eventually(has(cluster, namespace, *FIXED, ("job", "one-workers")))
    eventually(lambda: (cluster.get("cqd", "one", namespace) or {})["status"]["generation"] == 4)
    assert operator.metric("cycleqd_run_generation", name="gone") == 0


def test_sigterm_ends_it_in_time_and_without_complaint(operator: OperatorProcess) -> None:
    operator.server.process.terminate()
    assert operator.server.process.wait(TERM_SECONDS) == 0
    assert "Traceback" not in operator.log.read_text()


@pytest.mark.parametrize("milliseconds", [0, 15, 30, 60, 120, 250])
def test_killed_in_the_middle_of_a_look(
    cluster: Cluster, namespace: str, operator: OperatorProcess, milliseconds: int
) -> None:
    cluster.apply(*(run_document(name, namespace) for name in ("one", "two", "three")))
    eventually(lambda: cluster.list("configmaps", namespace, "cycleqd.io/run"), 300)
    time.sleep(milliseconds / 1000)
    operator.server.kill()
    operator.server.restart()
    operator.wait_until_ready()
    eventually(has(cluster, namespace, *FIXED))
    for name in ("two", "three"):
        eventually(lambda name=name: cluster.get("job", f"{name}-coordinator", namespace))
    assert {name for kind, name in children(cluster, namespace) if kind == "job"} == {
        "one-coordinator"
    }
