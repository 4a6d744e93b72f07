"""The decision: from a run's world to what must be done and what its status says.

It is a pure function of what is there now, not of what happened: a look that is missed, repeated or
late changes nothing, and an operator that restarts needs no memory. A run is in one of two states,
and its status says in which::

    living   --- an end is found (`outcome`), and only recorded --->   finished
    finished --- the manifest asks for more: old Jobs go, then the record is cleared --->  living

Recording comes before acting, because the act (deleting Jobs) destroys what the record follows
from. What the two states do with the children stands in `living` and `finished`.
"""

from __future__ import annotations

from datetime import datetime

from cycleqd.errors import ManifestError
from cycleqd_operator.decision import conditions
from cycleqd_operator.decision.conditions import Finding, Findings, is_true
from cycleqd_operator.decision.finished import finished
from cycleqd_operator.decision.living import living
from cycleqd_operator.decision.observed import Observed
from cycleqd_operator.decision.outcome import Outcome
from cycleqd_operator.decision.situation import last_status, situation
from cycleqd_operator.decision.transitions import transitions
from cycleqd_operator.kube.actions import Decision
from cycleqd_operator.kube.objects import format_time, is_deleting, metadata
from cycleqd_operator.settings import Settings


def reconcile(observed: Observed, settings: Settings, now: datetime) -> Decision:
    """Decide what a run's world needs.

    Args:
        observed: the run and its children.
        settings: the operator's.
        now: the present, aware.

    Returns:
        Actions in order, the whole status, events, and when to look again at the latest.
    """
    if is_deleting(observed.run):
        # The garbage collector takes the children; the store is nobody's to wait for.
        return Decision((), last_status(observed.run))
    try:
        found = situation(observed, settings, now)
    except ManifestError as error:
        return _unreadable(observed, "; ".join(error.problems), now)
    if is_true(found.status, "Complete") or is_true(found.status, "Failed"):
        return finished(found)
    return living(found, settings)


def _unreadable(observed: Observed, problems: str, now: datetime) -> Decision:
    """A run that never had a manifest in force, and has none now."""
    old = last_status(observed.run)
    generation = int(metadata(observed.run).get("generation", 1))
    end = Outcome("Failed", "InvalidManifest", problems)
    found: Findings = {
        "ManifestAccepted": Finding("False", end.reason, end.message),
        "StorageReady": Finding("Unknown", "Unknown", "The run has no pods."),
        "WorkersReady": Finding("False", "Finished", "The run has no pods."),
        "Progressing": Finding("False", end.reason, end.message),
        "Suspended": Finding("False", "NotSuspended"),
        "Complete": Finding("False", "NotComplete"),
        "Failed": Finding("True", end.reason, end.message),
    }
    moment = format_time(now)
    status = old.model_copy(
        update={
            "observed_generation": generation,
            "manifest_refused": False,
            **conditions.updates(old, found, generation, now),
            "start_time": old.start_time or moment,
            "completion_time": old.completion_time or moment,
            "active_since_time": None,
        }
    )
    return Decision((), status, transitions(old, status))
