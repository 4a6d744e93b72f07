"""On a real API server: a run nested beyond all reason is that run's failure, and no one else's.

``kubectl create --validate=false`` stores it, so every LIST and every watch delivers it.
"""

from __future__ import annotations

import pytest
from devcluster.base.cluster import Cluster, Json
from devcluster.played.operator_process import OperatorProcess

from tests.controller.nested import deep_run_text
from tests.controller.runs import run_document
from tests.controller.test_a_run_s_children_follow_it import FIXED, has, report
from tests.controlplane.jobs import eventually

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(600)]


def create_deep(cluster: Cluster, namespace: str, name: str, levels: int) -> None:
    text = deep_run_text(name, namespace, levels)
    cluster.kubectl("create", "--validate=false", "-n", namespace, "-f", "-", stdin=text)


def failure(cluster: Cluster, namespace: str, name: str) -> Json | None:
    """The condition Failed once it is true; read by path, since the run cannot be parsed here."""
    condition = '{.status.conditions[?(@.type=="Failed")]'
    found = cluster.kubectl(
        *("get", "cqd", name, "-n", namespace),
        *("-o", f"jsonpath={condition}.status}} {condition}.reason}} {condition}.message}}"),
    ).stdout.split(" ", 2)
    if len(found) < 3 or found[0] != "True":
        return None
    return {"reason": found[1], "message": found[2]}


@pytest.mark.parametrize("levels", [90, 500, 5000])
def test_a_deep_template_is_its_run_s_failure(
    cluster: Cluster, namespace: str, operator: OperatorProcess, levels: int
) -> None:
    create_deep(cluster, namespace, "deep", levels)
    cluster.apply(run_document("one", namespace))
    found = eventually(lambda: failure(cluster, namespace, "deep"))
    assert found["reason"] == "InvalidManifest"
    assert "spec.workers.template.spec.affinity.a" in found["message"]
    assert "levels" in found["message"]
    eventually(has(cluster, namespace, *FIXED))
    report(cluster, namespace, 0)
    eventually(has(cluster, namespace, ("job", "one-workers")))
    assert operator.server.running, operator.server.tail()
    assert "Traceback" not in operator.log.read_text()


def test_an_operator_that_starts_finds_the_others(
    cluster: Cluster, namespace: str, operator: OperatorProcess
) -> None:
    operator.server.stop()
    for levels in (500, 5000):
        create_deep(cluster, namespace, f"deep-{levels}", levels)
    cluster.apply(run_document("one", namespace))
    operator.server.restart()
    operator.wait_until_ready()
    eventually(has(cluster, namespace, *FIXED))
    # The watches are alive as well: what is changed now is seen, without a relist.
    report(cluster, namespace, 3)
    eventually(lambda: operator.metric("cycleqd_run_generation", name="one") == 3)
    assert operator.server.running, operator.server.tail()


def test_a_deep_template_can_be_mended(
    cluster: Cluster, namespace: str, operator: OperatorProcess
) -> None:
    create_deep(cluster, namespace, "one", 500)
    eventually(lambda: failure(cluster, namespace, "one"))
    patch = '{"spec": {"workers": {"template": null}}}'
    cluster.kubectl("patch", "cqd", "one", "-n", namespace, "--type=merge", "-p", patch)
    eventually(has(cluster, namespace, *FIXED))
    assert failure(cluster, namespace, "one") is None
