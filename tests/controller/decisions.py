"""Small decisions for tests of the loop, in place of the real one."""

from __future__ import annotations

from datetime import datetime

from cycleqd_operator.api.status import Condition, RunStatus
from cycleqd_operator.decision.observed import Observed
from cycleqd_operator.kube.actions import Create, Decision, Event
from cycleqd_operator.kube.objects import Json, metadata, name, spec
from cycleqd_operator.settings import Settings


def condition(reason: str, status: str = "True") -> Condition:
    return Condition(
        type="Progressing",
        status=status,
        reason=reason,
        last_transition_time="2026-01-01T00:00:00Z",
        observed_generation=1,
    )


def child(run: Json, suffix: str = "manifest", kind: str = "ConfigMap") -> Json:
    meta = metadata(run)
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {
            "name": f"{meta['name']}-{suffix}",
            "namespace": meta["namespace"],
            "labels": {"cycleqd.io/run": meta["name"]},
            "ownerReferences": [{"uid": meta["uid"], "name": meta["name"]}],
        },
    }


def one_child(observed: Observed, settings: Settings, now: datetime) -> Decision:
    """Wants one ConfigMap; the status repeats ``spec.generation`` and tells of the child."""
    there = f"{name(observed.run)}-manifest" in observed.config_maps
    status = RunStatus(
        generation=spec(observed.run).get("generation", -1),
        conditions=(condition("Evolving" if there else "Initializing"),),
    )
    if there:
        return Decision((), status)
    return Decision((Create(child(observed.run)),), status, (Event("Normal", "Started", "go"),))
