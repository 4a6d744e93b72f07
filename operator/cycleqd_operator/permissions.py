"""What the operator may do: one table, from which the chart's Role and the start-up check follow.

A missing rule does not announce itself: watches that are forbidden retry, and the operator looks
healthy while it is blind. So the process asks the API server about every verb of `RULES` before it
does anything else, and ends with exit code 78 and the list of what is missing. The operator reads
no Secrets and uses no wildcard.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cycleqd.errors import InputError
from cycleqd_operator.resources import (
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

if TYPE_CHECKING:
    from cycleqd_operator.cluster import Cluster


@dataclass(frozen=True)
class Rule:
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


def _rule(resource: Resource, *verbs: str, why: str, subresource: str = "") -> Rule:
    """A rule about one kind."""
    return Rule(resource.group, resource.plural + subresource, verbs, why)


RULES: tuple[Rule, ...] = (
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


class MissingPermissions(InputError):
    """The operator's ServiceAccount lacks rules.

    Attributes:
        missing: the rules, each with the missing verbs only, by namespace ("" for all).
    """

    def __init__(self, missing: Sequence[tuple[str, Rule]]) -> None:
        self.missing = tuple(missing)
        lines = [
            f"  {rule} {f'in namespace {namespace}' if namespace else 'in all namespaces'}"
            f" ({rule.why})"
            for namespace, rule in self.missing
        ]
        scope = "a Role and RoleBinding in each namespace that is served"
        if any(not namespace for namespace, _ in self.missing):
            scope = (
                "a ClusterRole and ClusterRoleBinding, or set CYCLEQD_OPERATOR_NAMESPACES to serve"
                " some namespaces with Roles"
            )
        super().__init__(
            "the operator's ServiceAccount may not:\n"
            + "\n".join(lines)
            + f"\nApply the RBAC objects of the Helm chart or of manifests/base: {scope}."
        )


async def check_permissions(cluster: Cluster, namespaces: Sequence[str]) -> None:
    """Ask the API server about every verb of every rule.

    Args:
        cluster: the API server.
        namespaces: those to serve; empty for all.

    Raises:
        MissingPermissions: some are not granted.
    """
    questions = [
        (namespace, rule, verb)
        for namespace in (namespaces or ("",))
        for rule in RULES
        for verb in rule.verbs
    ]
    answers = await asyncio.gather(
        *(cluster.is_allowed(rule, verb, namespace) for namespace, rule, verb in questions)
    )
    refused: dict[tuple[str, str, str], list[str]] = {}
    for (namespace, rule, verb), allowed in zip(questions, answers, strict=True):
        if not allowed:
            refused.setdefault((namespace, rule.group, rule.resource), []).append(verb)
    if refused:
        raise MissingPermissions(
            [
                (namespace, Rule(group, resource, tuple(verbs), _why(group, resource)))
                for (namespace, group, resource), verbs in refused.items()
            ]
        )


def _why(group: str, resource: str) -> str:
    """The reason of the rule about a resource."""
    return next(r.why for r in RULES if (r.group, r.resource) == (group, resource))
