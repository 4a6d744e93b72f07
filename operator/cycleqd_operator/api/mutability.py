"""What may change on a run, by the path where the rule stands: transition rules.

They say what `cycleqd.manifest.schema.check_continuation` would say, before the change is stored:

- immutable is what decides the candidates, and where the run lives;
- ``generations`` only grows;
- ``experts`` and ``tasks`` are append-only, and closed once the run has begun (``status.runId``):
  archives in the store have an axis for each task and genomes a coefficient for each expert, so
  the coordinator could not continue. An append in the moment between beginning and ``runId`` being
  written is refused by the coordinator, and told in the run's conditions.
- all else is free: ``suspend``, ``workers`` but for ``threads``, ``coordinator``, ``goal``, times
  to live and deadlines, and how the S3 server is reached (credentials can be rotated).

A transition rule on an optional field would not see it come and go, so such fields are compared
from the mapping that holds them.
"""

from __future__ import annotations

from cycleqd_operator.api.cel import Rule

_NEW_RUN = "apply the changed manifest as a new run under another name"
_FIXED = Rule(
    "self == oldSelf",
    f"is immutable, since it decides what the candidates are; restore it, or {_NEW_RUN}",
    reason="FieldValueForbidden",
)
_APPENDED = "oldSelf.all(i, old, i < size(self) && self[i].name == old.name)"


def _place(field: str) -> Rule:
    return Rule(
        f"has(self.{field}) == has(oldSelf.{field})"
        f" && (!has(self.{field}) || self.{field} == oldSelf.{field})",
        f"is immutable, since the run lives there; restore it, or {_NEW_RUN}",
        f".{field}",
        reason="FieldValueForbidden",
    )


def _closed(field: str) -> Rule:
    return Rule(
        "!has(oldSelf.status) || !has(oldSelf.status.runId) || oldSelf.status.runId == '' "
        f"|| size(self.spec.{field}) == size(oldSelf.spec.{field})",
        f"cannot be added to once the run has begun (status.runId is set), since its archives and "
        f"genomes are made of these {field}; {_NEW_RUN}",
        f".spec.{field}",
        reason="FieldValueForbidden",
    )


def _append_only(what: str) -> Rule:
    return Rule(
        _APPENDED,
        f"is append-only: the {what} that were there must stay, in their order; restore them, or "
        f"{_NEW_RUN}",
        reason="FieldValueForbidden",
    )


MUTABILITY: dict[str, tuple[Rule, ...]] = {
    "": (_closed("experts"), _closed("tasks")),
    "spec.seed": (_FIXED,),
    "spec.base": (_FIXED,),
    "spec.experts": (_append_only("experts"),),
    "spec.experts[]": (_FIXED,),
    "spec.tasks": (_append_only("tasks"),),
    "spec.tasks[]": (_FIXED,),
    "spec.archive": (_FIXED,),
    **{
        f"spec.evolution.{field}": (_FIXED,)
        for field in (
            "strategy",
            "candidatesPerGeneration",
            "cycleInterval",
            "pipelineDepth",
            "selection",
            "crossover",
            "mutation",
            "aggregate",
        )
    },
    "spec.evolution.generations": (
        Rule(
            "self >= oldSelf",
            "may only be raised: generations that are committed stay",
            reason="FieldValueForbidden",
        ),
    ),
    "spec.evaluation": (_FIXED,),
    "spec.storage": (_place("uri"),),
    "spec.storage.s3": (_place("endpoint"), _place("region")),
    "spec.workers.threads": (_FIXED,),
}
"""Every rule about changes."""
