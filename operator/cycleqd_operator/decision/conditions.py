"""Conditions by the rules of the Kubernetes API: all of them always, a time for each change.

``lastTransitionTime`` moves only when the status does, so a world that stands still gives equal
conditions, and nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cycleqd_operator.api.status import CONDITION_TYPES, Condition, ConditionType, RunStatus
from cycleqd_operator.kube.objects import format_time
from cycleqd_operator.text import one_line

MESSAGE_BYTES = 900
"""Size of a condition's message; seven of them leave room for the rest of a status."""


@dataclass(frozen=True)
class Finding:
    """What was found about one aspect.

    Attributes:
        status: whether it holds.
        reason: one word for programs.
        message: a sentence for people.
    """

    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str = ""


Findings = Mapping[ConditionType, Finding]


def get(found: RunStatus, type_: ConditionType) -> Condition | None:
    """The condition of that type."""
    return next((c for c in found.conditions if c.type == type_), None)


def is_true(found: RunStatus, type_: ConditionType) -> bool:
    """Whether the condition of that type holds."""
    present = get(found, type_)
    return present is not None and present.status == "True"


def finding(found: RunStatus, type_: ConditionType) -> Finding | None:
    """The present condition as a finding, to keep it as it is."""
    present = get(found, type_)
    return None if present is None else Finding(present.status, present.reason, present.message)


def updates(
    old: RunStatus, findings: Findings, generation: int, now: datetime
) -> dict[str, object]:
    """What a status says of its conditions after a look: themselves, and the end as numbers.

    Args:
        old: the present status.
        findings: one for each type.
        generation: ``metadata.generation`` that was looked at.
        now: the present.
    """
    conditions = []
    for type_ in CONDITION_TYPES:
        found, before = findings[type_], get(old, type_)
        changed = before is None or before.status != found.status
        conditions.append(
            Condition(
                type=type_,
                status=found.status,
                reason=found.reason,
                message=one_line(found.message, MESSAGE_BYTES),
                last_transition_time=(
                    format_time(now) if before is None or changed else before.last_transition_time
                ),
                observed_generation=generation,
            )
        )
    return {
        "conditions": tuple(conditions),
        "succeeded": int(findings["Complete"].status == "True"),
        "failed": int(findings["Failed"].status == "True"),
    }
