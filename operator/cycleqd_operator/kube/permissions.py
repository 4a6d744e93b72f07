"""Whether the operator may do what it does, asked before it does anything.

A missing rule does not announce itself: watches that are forbidden retry, and the operator looks
healthy while it is blind. So the process asks the API server about every verb of `rights.RULES` at
its start, and ends with exit code 78 and the list of what is missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from cycleqd.errors import InputError
from cycleqd_operator.kube.cluster import Cluster
from cycleqd_operator.kube.rights import RULES, PolicyRule


class MissingPermissions(InputError):
    """The operator's ServiceAccount lacks rules.

    Attributes:
        missing: the rules, each with the missing verbs only, by namespace ("" for all).
    """

    def __init__(self, missing: Sequence[tuple[str, PolicyRule]]) -> None:
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
                (namespace, PolicyRule(group, resource, tuple(verbs), _why(group, resource)))
                for (namespace, group, resource), verbs in refused.items()
            ]
        )


def _why(group: str, resource: str) -> str:
    """The reason of the rule about a resource."""
    return next(r.why for r in RULES if (r.group, r.resource) == (group, resource))
