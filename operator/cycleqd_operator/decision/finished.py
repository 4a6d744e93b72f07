"""A run that came to its end: nothing of it runs any more, until its manifest asks for more."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from cycleqd.manifest.changes import spec_fields
from cycleqd.manifest.model import Manifest
from cycleqd.manifest.mutability import NOT_MENDING, NOT_MORE
from cycleqd_operator.api.status import CONDITION_TYPES, RunStatus, WorkerCounts
from cycleqd_operator.children import jobs
from cycleqd_operator.decision import conditions
from cycleqd_operator.decision.conditions import Finding, finding, get, is_true
from cycleqd_operator.decision.living import living_status
from cycleqd_operator.decision.situation import Situation
from cycleqd_operator.decision.transitions import transitions
from cycleqd_operator.decision.workforce import workforce
from cycleqd_operator.kube.actions import Action, Decision, Delete
from cycleqd_operator.kube.objects import parse_time, uid

_ASKS_A_FAILED_RUN_NOTHING = spec_fields(NOT_MENDING)
_ASKS_A_COMPLETE_RUN_NOTHING = spec_fields(NOT_MORE)


def finished(situation: Situation) -> Decision:
    """What a run needs whose end is recorded."""
    if _asks_for_more(situation):
        return _reopened(situation)
    actions: list[Action] = []
    for job in situation.jobs:
        if is_true(situation.status, "Complete"):
            actions += [] if jobs.is_finished(job) else jobs.delete(job)
        else:
            # Ended pods stay, so that their logs can be read.
            actions += jobs.suspend(job)
    left = _seconds_to_live(situation)
    if left is not None and left <= 0:
        actions = [Delete("CycleQDRun", situation.name, uid(situation.run))]
    status = _status(situation)
    wait = left if left is not None and left > 0 else None
    return Decision(tuple(actions), status, transitions(situation.status, status), wait)


def _asks_for_more(situation: Situation) -> bool:
    """Whether the manifest differs in substance from the one that came to its end.

    A failed run is also tried again when it is suspended and resumed, for causes that no field of
    the manifest can mend.
    """
    if situation.manifest.spec.suspend or situation.problem:
        return False
    failed = get(situation.status, "Failed")
    if failed is not None and failed.status == "True":
        if failed.reason == "InvalidManifest" or is_true(situation.status, "Suspended"):
            return True
        ignored = _ASKS_A_FAILED_RUN_NOTHING
    else:
        ignored = _ASKS_A_COMPLETE_RUN_NOTHING
    followed = situation.followed
    if followed is None:
        return situation.generation != situation.status.observed_generation
    return _substance(followed, ignored) != _substance(situation.manifest, ignored)


def _substance(manifest: Manifest, ignored: frozenset[str]) -> dict[str, Any]:
    return manifest.spec.model_dump(exclude=set(ignored))


def _reopened(situation: Situation) -> Decision:
    """First the Jobs of before go, then the record of the end."""
    if situation.jobs:
        deletions = tuple(action for job in situation.jobs for action in jobs.delete(job))
        return Decision(deletions, situation.status)
    before = situation.status.model_copy(
        update={"workers": WorkerCounts(), "completion_time": None}
    )
    again = replace(situation, status=before)
    status = living_status(again, workforce(again))
    return Decision((), status, transitions(situation.status, status))


def _seconds_to_live(situation: Situation) -> float | None:
    ttl = situation.manifest.spec.ttl_seconds_after_finished
    end = parse_time(situation.status.completion_time)
    if ttl is None or end is None:
        return None
    return (end + timedelta(seconds=ttl) - situation.now).total_seconds()


def _status(situation: Situation) -> RunStatus:
    """The record as it is, for the manifest as it is now."""
    old = situation.status
    kept = {
        type_: finding(old, type_) or Finding("Unknown", "Unknown") for type_ in CONDITION_TYPES
    }
    if is_true(old, "Failed"):
        kept["Suspended"] = (
            Finding("True", "Suspended", "Set spec.suspend to false to try again.")
            if situation.manifest.spec.suspend
            else Finding("False", "NotSuspended")
        )
    return old.model_copy(
        update={
            "observed_generation": situation.generation,
            **conditions.updates(old, kept, situation.generation, situation.now),
        }
    )
