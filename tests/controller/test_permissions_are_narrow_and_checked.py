"""The operator's rules: no Secrets, no wildcard; each verb is asked for, missing ones are named."""

from __future__ import annotations

import asyncio

import pytest

from cycleqd_operator.kube.permissions import MissingPermissions, check_permissions
from cycleqd_operator.kube.rights import RULES
from tests.controller.memory_cluster import MemoryCluster


def test_no_secrets_and_no_wildcard() -> None:
    words = {word for rule in RULES for word in (rule.group, rule.resource, *rule.verbs)}
    assert not {word for word in words if "*" in word or "secret" in word}
    assert not words & {"escalate", "bind", "impersonate", "deletecollection"}
    assert len({(rule.group, rule.resource) for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("namespaces", [(), ("team-a",), ("team-a", "team-b")])
def test_all_rights_pass(namespaces: tuple[str, ...]) -> None:
    asyncio.run(check_permissions(MemoryCluster(), namespaces))


def test_each_missing_verb_is_named_in_each_namespace() -> None:
    cluster = MemoryCluster()
    cluster.denied = {("jobs", "watch"), ("jobs", "create"), ("cycleqdruns/status", "patch")}
    with pytest.raises(MissingPermissions) as caught:
        asyncio.run(check_permissions(cluster, ("team-a", "team-b")))
    assert caught.value.exit_code == 78
    found = {(namespace, str(rule)) for namespace, rule in caught.value.missing}
    assert found == {
        (namespace, rule)
        for namespace in ("team-a", "team-b")
        for rule in ("watch, create jobs.batch", "patch cycleqdruns/status.cycleqd.io")
    }
    message = str(caught.value)
    assert "watch, create jobs.batch in namespace team-a" in message
    assert "a Role and RoleBinding" in message


def test_a_cluster_wide_operator_hears_of_the_other_way() -> None:
    cluster = MemoryCluster()
    cluster.denied = {("pods", "list")}
    with pytest.raises(MissingPermissions, match="CYCLEQD_OPERATOR_NAMESPACES"):
        asyncio.run(check_permissions(cluster, ()))
