"""What the operator may do: one table, from which the chart's Role and the start-up check follow.

The operator reads no Secrets and uses no wildcard.
"""

from __future__ import annotations

from dataclasses import dataclass

from cycleqd_operator.kube.resources import (
    CONFIG_MAP,
    EVENT,
    JOB,
    POD,
    ROLE,
    ROLE_BINDING,
    RUN,
    SERVICE_ACCOUNT,
    Resource,
)


@dataclass(frozen=True)
class PolicyRule:
    """One RBAC rule.

    Attributes:
        group: API group, empty for the core group.
        resource: plural name, with ``/status`` for the subresource.
        verbs: what is done.
        why: for whom reads the Role.
    """

    group: str
    resource: str
    verbs: tuple[str, ...]
    why: str

    def __str__(self) -> str:
        return f"{', '.join(self.verbs)} {self.resource}" + (f".{self.group}" if self.group else "")


def _rule(resource: Resource, *verbs: str, why: str, subresource: str = "") -> PolicyRule:
    """A rule about one kind."""
    return PolicyRule(resource.group, resource.plural + subresource, verbs, why)


RULES: tuple[PolicyRule, ...] = (
    _rule(RUN, "list", "watch", "delete", why="follow the runs; delete them by their TTL"),
    _rule(RUN, "patch", subresource="/status", why="report what was found"),
    _rule(
        JOB,
        *("get", "list", "watch", "create", "patch", "delete"),
        why="coordinators and workers",
    ),
    _rule(POD, "list", "watch", why="see why a pod waits or how it ended"),
    _rule(
        CONFIG_MAP,
        *("get", "list", "watch", "create", "patch", "delete"),
        why="manifests and progress; get and patch are passed on to the coordinators by a Role",
    ),
    _rule(SERVICE_ACCOUNT, "get", "create", "patch", why="identities of a run's pods"),
    _rule(ROLE, "get", "create", why="lets a coordinator patch its run's progress, nothing else"),
    _rule(ROLE_BINDING, "get", "create", why="gives that Role to the coordinator"),
    _rule(EVENT, "create", why="tell the user about transitions"),
)
"""Everything that the operator does, in each namespace that it serves."""
