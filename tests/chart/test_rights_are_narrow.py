"""The operator's rights are those that it asks for: no Secrets, no wildcard, no more than it needs.

`cycleqd_operator.kube.permissions.RULES` is what the operator uses and checks at its start; the
roles of the chart and of the kustomize overlays grant exactly that. A namespaced install makes no
cluster role at all. What the rights amount to is asked of a real API server, as the operator
itself.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from kubernetes.aio import client, config

from cycleqd_operator.kube.cluster import ApiCluster
from cycleqd_operator.kube.permissions import MissingPermissions, check_permissions
from cycleqd_operator.kube.rights import RULES
from cycleqd_operator.metrics import Metrics

from .rendering import EVERYTHING, MANIFESTS, RELEASE, Json, container, kustomize, one, render

if TYPE_CHECKING:
    from devcluster.base.cluster import Cluster

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(300)]

CLUSTER_KINDS = {"ClusterRole", "ClusterRoleBinding"}


def _grants(role: Json) -> set[tuple[str, str, str]]:
    """(group, resource, verb) of every rule."""
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


ASKED = {(rule.group, rule.resource, verb) for rule in RULES for verb in rule.verbs}


def test_the_table_has_no_secrets_and_no_wildcard() -> None:
    assert ASKED
    assert not {resource for _, resource, _ in ASKED if "secret" in resource}
    assert not [grant for grant in ASKED if "*" in "".join(grant)]


def test_cluster_wide() -> None:
    assert _grants(one(render({}), "ClusterRole")) == ASKED


def test_namespaced() -> None:
    found = render(EVERYTHING | {"watchNamespaces": ["a", "b"]})
    assert CLUSTER_KINDS.isdisjoint(o["kind"] for o in found)
    roles = {o["metadata"]["namespace"]: o for o in found if o["kind"] == "Role"}
    bindings = {o["metadata"]["namespace"]: o for o in found if o["kind"] == "RoleBinding"}
    assert set(roles) == set(bindings) == {"a", "b"}
    for namespace, role in roles.items():
        assert _grants(role) == ASKED
        (subject,) = bindings[namespace]["subjects"]
        assert subject["namespace"] == "cycleqd-system"
    env = {v["name"]: v.get("value") for v in container(found)["env"]}
    assert env["CYCLEQD_OPERATOR_NAMESPACES"] == "a,b"


def test_overlays() -> None:
    wide = kustomize(MANIFESTS / "overlays" / "cluster-wide")
    assert _grants(one(wide, "ClusterRole")) == ASKED
    narrow = kustomize(MANIFESTS / "overlays" / "namespaced")
    assert {o["kind"] for o in narrow} == {
        "Deployment",
        "Role",
        "RoleBinding",
        "Service",
        "ServiceAccount",
    }
    assert {o["metadata"]["namespace"] for o in narrow} == {"cycleqd"}
    assert _grants(one(narrow, "Role")) == ASKED
    (subject,) = one(narrow, "RoleBinding")["subjects"]
    assert subject["namespace"] == "cycleqd"


def test_without_rbac_nothing_is_granted() -> None:
    kinds = {o["kind"] for o in render({"rbac": {"create": False}})}
    assert not {kind for kind in kinds if "Role" in kind}


def _install_rights(cluster: Cluster, values: Json, namespace: str) -> list[Json]:
    """The identity and the roles of a release, without its Deployment."""
    found = render(values | {"fullnameOverride": namespace}, namespace=namespace)
    kinds = {"ServiceAccount", "Role", "RoleBinding", *CLUSTER_KINDS}
    rights = [o for o in found if o["kind"] in kinds]
    cluster.apply(*rights)
    return rights


@pytest.fixture
def installed(
    request: pytest.FixtureRequest, cluster: Cluster, namespace: str, tmp_path: Path
) -> Any:
    """The operator's identity, cluster-wide or with a Role in its namespace only."""
    values = {"watchNamespaces": [namespace]} if request.param else {}
    rights = _install_rights(cluster, values, namespace)
    yield cluster.as_service_account(namespace, namespace, tmp_path / "operator"), namespace
    for item in rights:
        if item["kind"] in CLUSTER_KINDS:
            cluster.kubectl("delete", item["kind"], item["metadata"]["name"])


BOTH = pytest.mark.parametrize("installed", [False, True], ids=["wide", "narrow"], indirect=True)


@BOTH
def test_can_i(installed: tuple[Cluster, str]) -> None:
    operator, namespace = installed
    listing = operator.kubectl("auth", "can-i", "--list", "-n", namespace).stdout
    resources = [line.split()[0] for line in listing.splitlines()[1:] if line[:1].strip()]
    assert "cycleqdruns.cycleqd.io" in resources
    assert not [name for name in resources if "secret" in name or "*" in name]
    for verb in ("get", "list", "create"):
        done = operator.kubectl("auth", "can-i", verb, "secrets", "-n", namespace, check=False)
        assert done.stdout.strip() == "no"


async def _self_check(kubeconfig: Path, namespaces: list[str]) -> None:
    """What the operator does first."""
    configuration = client.Configuration()
    await config.load_kube_config(str(kubeconfig), client_configuration=configuration)
    cluster = ApiCluster(configuration, 30, Metrics().count_request)
    try:
        await check_permissions(cluster, namespaces)
    finally:
        await cluster.close()


@BOTH
def test_the_operator_agrees(installed: tuple[Cluster, str], request: Any) -> None:
    operator, namespace = installed
    narrow = "narrow" in request.node.name
    asyncio.run(_self_check(operator.kubeconfig, [namespace] if narrow else []))
    if narrow:
        with pytest.raises(MissingPermissions, match="in all namespaces"):
            asyncio.run(_self_check(operator.kubeconfig, []))


def _operator(kubeconfig: Path, namespace: str, *arguments: str) -> Any:
    """The operator's own command, with a namespaced install's identity and settings."""
    return subprocess.run(
        [str(Path(sys.executable).parent / "cycleqd-operator"), *arguments],
        env={
            "PATH": os.environ["PATH"],
            "KUBECONFIG": str(kubeconfig),
            "CYCLEQD_OPERATOR_NAMESPACES": namespace,
            "CYCLEQD_OPERATOR_LOG_FORMAT": "text",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )


@pytest.mark.parametrize("installed", [True], ids=["narrow"], indirect=True)
def test_a_role_is_enough_for_the_check_and_the_cleanup(
    installed: tuple[Cluster, str], cluster: Cluster
) -> None:
    operator, namespace = installed
    checked = _operator(operator.kubeconfig, namespace, "--check")
    assert checked.returncode == 0, checked.stderr
    for name in ("tiny", "quickstart"):
        (example,) = kustomize(MANIFESTS / "examples" / "cluster" / name)
        cluster.apply(example | {"metadata": {"name": name, "namespace": namespace}})
    cleaned = _operator(operator.kubeconfig, namespace, "--cleanup", "60")
    assert cleaned.returncode == 0, cleaned.stderr
    assert "2 runs were deleted" in cleaned.stderr
    assert cluster.list("cqd", namespace) == []


def test_edit_and_view_cover_runs(cluster: Cluster, namespace: str) -> None:
    found = render({"fullnameOverride": namespace}, namespace=namespace)
    roles = [o for o in found if o["kind"] == "ClusterRole" and o["metadata"]["name"] != namespace]
    assert len(roles) == 2
    cluster.apply(*roles)
    try:
        binding = ["rolebinding", "user", "-n", namespace, "--clusterrole=view", "--user=ada"]
        cluster.kubectl("create", *binding)
        _wait_for_grant(cluster, namespace, "list", "yes")
        _wait_for_grant(cluster, namespace, "create", "no")
        cluster.kubectl("delete", "rolebinding", "user", "-n", namespace)
        binding[4] = "--clusterrole=edit"
        cluster.kubectl("create", *binding)
        _wait_for_grant(cluster, namespace, "create", "yes")
    finally:
        for role in roles:
            cluster.kubectl("delete", "clusterrole", role["metadata"]["name"])


def _wait_for_grant(cluster: Cluster, namespace: str, verb: str, answer: str) -> None:
    """The cluster aggregates roles in the background."""
    deadline = time.monotonic() + 30
    question = ["auth", "can-i", verb, "cqd", "-n", namespace, "--as=ada"]
    while (said := cluster.kubectl(*question, check=False).stdout.strip()) != answer:
        assert time.monotonic() < deadline, f"may ada {verb}? {said}"
        time.sleep(0.2)


def test_nothing_else_is_named_like_the_operator() -> None:
    # Two releases of one cluster must not fight for cluster-wide names.
    first = {(o["kind"], o["metadata"]["name"]) for o in render({}) if o["kind"] in CLUSTER_KINDS}
    other = render({"fullnameOverride": "other"})
    second = {(o["kind"], o["metadata"]["name"]) for o in other if o["kind"] in CLUSTER_KINDS}
    assert first
    assert first.isdisjoint(second)
    assert ("ClusterRole", RELEASE) in first
