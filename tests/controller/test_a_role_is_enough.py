"""A namespaced operator needs its Role and nothing else; without a right it ends and says which."""

from __future__ import annotations

from pathlib import Path

import pytest
from devcluster.base.cluster import Cluster
from devcluster.played.operator_process import OperatorProcess, grant

from cycleqd_operator.kube.rights import RULES, PolicyRule
from tests.controller.runs import run_document
from tests.controlplane.jobs import eventually

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(600)]


def test_with_a_role_it_serves(cluster: Cluster, namespace: str, operator: OperatorProcess) -> None:
    cluster.apply(run_document("one", namespace))
    eventually(lambda: cluster.get("job", "one-coordinator", namespace))
    forbidden = operator.metric("cycleqd_operator_api_requests_total", code="403")
    assert forbidden == 0, operator.server.tail()


def test_what_it_may_is_no_secret_and_no_wildcard(
    cluster: Cluster, namespace: str, operator_kubeconfig: Path
) -> None:
    listed = Cluster(operator_kubeconfig).kubectl("auth", "can-i", "--list", "-n", namespace).stdout
    assert "secrets" not in listed
    for line in listed.splitlines()[1:]:
        resource = line.split()[0]
        # Non-resource URLs of every authenticated user (discovery) hold wildcards of their own.
        assert "*" not in line or resource.startswith("["), line
    assert "cycleqdruns.cycleqd.io" in listed


@pytest.mark.parametrize(
    ("resource", "verb"), [("jobs", "watch"), ("cycleqdruns/status", "patch"), ("events", "create")]
)
def test_without_a_right_it_ends_with_78_and_names_it(
    cluster: Cluster, namespace: str, tmp_path: Path, resource: str, verb: str
) -> None:
    rules = [
        PolicyRule(rule.group, rule.resource, tuple(v for v in rule.verbs if v != verb), rule.why)
        if rule.resource == resource
        else rule
        for rule in RULES
    ]
    kubeconfig = grant(cluster, namespace, tmp_path / "kubeconfig", [r for r in rules if r.verbs])
    with OperatorProcess(kubeconfig, tmp_path, NAMESPACES=namespace) as process:
        assert process.server.process.wait(60) == 78
        assert f"{verb} {resource}" in process.server.tail()
        assert f"in namespace {namespace}" in process.server.tail()


def test_a_cluster_wide_operator_does_not_start_with_a_role(
    namespace: str, operator_kubeconfig: Path, tmp_path: Path
) -> None:
    with OperatorProcess(operator_kubeconfig, tmp_path) as process:
        assert process.server.process.wait(60) == 78
        assert "CYCLEQD_OPERATOR_NAMESPACES" in process.server.tail()
