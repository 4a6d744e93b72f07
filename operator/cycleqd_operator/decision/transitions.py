"""Events: what changed between two statuses, told once.

They compare what was written with what will be, so an operator that restarts tells nothing twice,
and generations, which pass by the thousand, are told by the status alone.
"""

from __future__ import annotations

from cycleqd_operator.api.status import Condition, RunStatus
from cycleqd_operator.decision.conditions import get, is_true
from cycleqd_operator.kube.actions import Event

_QUIET = frozenset({"", "Starting", "Suspended", "Finished"})
"""Reasons why no worker is ready that are as they should be."""


def transitions(old: RunStatus, new: RunStatus) -> tuple[Event, ...]:
    """The events that lead from one status to the next."""
    found = [
        *_life(old, new),
        *_storage(old, new),
        *_workers(old, new),
        *_manifest(old, new),
    ]
    return tuple(event for event in found if event is not None)


def _became(old: RunStatus, new: RunStatus, type_: str) -> bool:
    return is_true(new, type_) and not is_true(old, type_)  # type: ignore[arg-type]


def _life(old: RunStatus, new: RunStatus) -> list[Event]:
    events = []
    if not old.conditions:
        events.append(Event("Normal", "RunStarted", "The operator takes care of the run."))
    if _became(old, new, "Suspended"):
        events.append(Event("Normal", "RunSuspended", "The run's pods are taken away."))
    if _became(new, old, "Suspended"):
        events.append(Event("Normal", "RunResumed", "The run goes on where it was."))
    if _became(new, old, "Complete") or _became(new, old, "Failed"):
        events.append(Event("Normal", "RunContinued", "The manifest asks for more."))
    if _became(old, new, "Complete"):
        events.append(Event("Normal", "RunCompleted", _message(new, "Complete")))
    if _became(old, new, "Failed"):
        events.append(Event("Warning", "RunFailed", _message(new, "Failed")))
    return events


def _storage(old: RunStatus, new: RunStatus) -> list[Event]:
    before, now = get(old, "StorageReady"), get(new, "StorageReady")
    if now is None or (before is not None and before.status == now.status):
        return []
    if now.status == "False":
        return [Event("Warning", "StorageUnavailable", now.message)]
    if now.status == "True" and before is not None and before.status == "False":
        return [Event("Normal", "StorageRecovered", now.message)]
    return []


def _workers(old: RunStatus, new: RunStatus) -> list[Event]:
    before, now = get(old, "WorkersReady"), get(new, "WorkersReady")
    if now is None or _reason(before) == now.reason:
        return []
    if now.status == "True":
        started = before is not None and before.status != "True"
        return [Event("Normal", "WorkersReady", now.message)] if started else []
    if now.reason == "WaitingForQuota":
        return [Event("Normal", "WaitingForQuota", now.message)]
    if now.reason in _QUIET:
        return []
    return [Event("Warning", "WorkersUnavailable", f"{now.reason}: {now.message}")]


def _manifest(old: RunStatus, new: RunStatus) -> list[Event]:
    """Each refusal that says something else, each accepted revision, each joining."""
    events = []
    why = _message(new, "ManifestAccepted")
    if new.manifest_refused and (
        not old.manifest_refused or why != _message(old, "ManifestAccepted")
    ):
        events.append(Event("Warning", "RevisionRefused", why))
    # What a run begins with is no news, nor what an older operator did not write down.
    number, known = new.accepted_revision, old.accepted_revision
    if number is not None and known is not None and number > known:
        said = why if is_true(new, "ManifestAccepted") else f"Revision {number} is accepted."
        events.append(Event("Normal", "RevisionAccepted", said))
    now, before = new.revisiting, old.revisiting
    if now is not None and (before is None or before.generation != now.generation):
        message = f"In generation {now.generation} {now.who} join; {now.of} models are evaluated."
        events.append(Event("Normal", "Revisiting", message))
    return events


def _message(status: RunStatus, type_: str) -> str:
    found = get(status, type_)  # type: ignore[arg-type]
    return "" if found is None else found.message


def _reason(found: Condition | None) -> str:
    return "" if found is None else found.reason
