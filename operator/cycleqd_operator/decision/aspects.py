"""The run's conditions other than WorkersReady, in the words that people read.

``Progressing`` always has the short answer as its reason. Messages name the cause and the remedy,
and hold nothing that changes by the clock.
"""

from __future__ import annotations

from cycleqd.contract.progress import Progress
from cycleqd.errors import ConditionalWritesUnsupported
from cycleqd_operator.decision import conditions
from cycleqd_operator.decision.conditions import Finding, Findings
from cycleqd_operator.decision.obstacles import first_obstacle
from cycleqd_operator.decision.outcome import Outcome
from cycleqd_operator.decision.situation import Situation
from cycleqd_operator.decision.summary import revisiting
from cycleqd_operator.kube import names
from cycleqd_operator.text import one_line

_REFUSED = "The manifest's last change is refused and the run goes on without it: "


def findings(situation: Situation, workers: Finding) -> Findings:
    """The conditions of a run that goes on.

    Args:
        situation: its world.
        workers: the condition WorkersReady.
    """
    suspended = situation.manifest.spec.suspend
    return {
        "ManifestAccepted": accepted(situation),
        "StorageReady": storage(situation),
        "WorkersReady": workers,
        "Progressing": progressing(situation, workers),
        "Suspended": (
            Finding("True", "Suspended", "Set spec.suspend to false to go on.")
            if suspended
            else Finding("False", "NotSuspended")
        ),
        "Complete": Finding("False", "NotComplete"),
        "Failed": Finding("False", "NotFailed"),
    }


def ended(situation: Situation, end: Outcome) -> Findings:
    """The conditions of a run that came to its end."""
    complete = end.type == "Complete"
    message = f"{end.message} {_tracking_trouble(situation)}".strip()
    return {
        "ManifestAccepted": accepted(situation),
        "StorageReady": storage(situation, end),
        "WorkersReady": Finding("False", "Finished", "The run needs no workers any more."),
        "Progressing": Finding("False", end.reason, _with_refusal(situation, message)),
        "Suspended": Finding("False", "NotSuspended"),
        "Complete": (
            Finding("True", end.reason, message) if complete else Finding("False", "NotComplete")
        ),
        "Failed": (
            Finding("False", "NotFailed") if complete else Finding("True", end.reason, end.message)
        ),
    }


def storage(situation: Situation, end: Outcome | None = None) -> Finding:
    """Whether the store can be used, as the coordinator said last."""
    for ending in situation.endings["coordinator"]:
        if end is not None and ending.error == ConditionalWritesUnsupported.__name__:
            return Finding("False", ending.error, ending.message)
    progress = situation.progress
    if progress is not None and progress.store_error:
        reason = progress.store_error_reason or "StoreUnavailable"
        return Finding("False", reason, progress.store_error)
    if situation.admitted:
        return Finding("True", "Available", "The store answers.")
    before = conditions.finding(situation.status, "StorageReady")
    if before is not None and before.status == "True":
        return before
    return Finding("Unknown", "Unknown", "The coordinator has not reached the store yet.")


def accepted(situation: Situation) -> Finding:
    """Whether the run follows its manifest as it is now."""
    why = refusal(situation)
    if why:
        message = f"{one_line(why, 700)} (The run goes on with the manifest before it.)"
        return Finding("False", "RevisionRefused", message)
    progress = situation.progress
    if progress is None or progress.answered_generation < situation.generation:
        return Finding("Unknown", "NotLookedAt", "The coordinator has not looked at it yet.")
    number = progress.accepted_revision
    if number <= 0:
        return Finding("True", "RevisionAccepted", "The run is as its manifest says.")
    since = f"Revision {number} holds from generation {progress.accepted_from} on."
    return Finding("True", "RevisionAccepted", since)


def progressing(situation: Situation, workers: Finding) -> Finding:
    """What the run does now."""
    if situation.manifest.spec.suspend:
        message = "The run is suspended; its store keeps everything."
        return Finding("False", "Suspended", _with_refusal(situation, message))
    if workers.reason == "WaitingForQuota":
        return Finding("False", "WaitingForQuota", _with_refusal(situation, workers.message))
    reason, message = _state(situation, workers)
    if reason != "StartingWorkers":  # whose message says already what is the matter
        message = f"{message} {_coordinator_trouble(situation)}".strip()
    message = f"{message} {_store_trouble(situation)} {_report_trouble(situation)}".strip()
    message = f"{one_line(message, 600)} {_tracking_trouble(situation)}".strip()
    return Finding("True", reason, _with_refusal(situation, message))


def _state(situation: Situation, workers: Finding) -> tuple[str, str]:
    """Reason and message of a run that advances, or tries to."""
    if situation.foreign:
        return "Initializing", "Waits until the objects of an older run are gone."
    progress = situation.progress
    started = situation.status.generation >= 0 or situation.status.run_id
    if progress is None or (not situation.admitted and not started):
        admits = "The coordinator admits the run to its store."
        return "Initializing", workers.message if situation.refused else admits
    if (
        progress.phase == "Complete"
        and progress.answered_generation < situation.followed_generation
    ):
        return "Initializing", "The coordinator takes the run up again."
    if progress.phase in ("Finishing", "Complete"):
        return "Finishing", "The best candidates are compared on held-out items."
    if workers.status == "False":
        return "StartingWorkers", workers.message
    return _evolving(situation, progress)


def _evolving(situation: Situation, progress: Progress) -> tuple[str, str]:
    generation = max(progress.generation, situation.status.generation)
    generations = situation.manifest.spec.evolution.generations
    committed = f"Generation {generation} of {generations} is committed."
    now = revisiting(progress)
    if now is not None:
        joining = f"{now.who} join; {now.done} of {now.of} models are evaluated"
        return "Revisiting", f"{committed} In generation {now.generation} {joining}."
    return "Evolving", committed


def _coordinator_trouble(situation: Situation) -> str:
    """Why nobody plans, where that is so."""
    if situation.coordinator_ready:
        return ""
    obstacle = first_obstacle(situation.pods["coordinator"], "coordinator", situation.now)
    if obstacle is not None:
        return f"The coordinator does not run. {obstacle.message}"
    failures = [
        ending
        for ending in situation.endings["coordinator"]
        if ending.kind not in ("Succeeded", "Stopped")
    ]
    return f"The coordinator starts again. {failures[-1].message}" if failures else ""


def _store_trouble(situation: Situation) -> str:
    if situation.progress is None or not situation.progress.store_error:
        return ""
    return "The store cannot be used now; see StorageReady."


def _tracking_trouble(situation: Situation) -> str:
    """Why a tracking server has not all of the run, which stops nothing."""
    progress = situation.progress
    if progress is None or not progress.tracking_error:
        return ""
    return f"Not tracked: {one_line(progress.tracking_error, 900)}"


def _report_trouble(situation: Situation) -> str:
    """What to do where somebody else wrote where the coordinator reports."""
    if not situation.report_is_unreadable:
        return ""
    page = names.progress_config_map(situation.name)
    return (
        f"ConfigMap {page} holds no report of a coordinator, whose next one replaces it; see who"
        " else may patch ConfigMaps here."
    )


def refusal(situation: Situation) -> str:
    """Why the manifest's last change is not followed; empty where it is, or may be yet."""
    if situation.problem:
        return situation.problem
    progress = situation.progress
    if progress is None or progress.rejected_generation < situation.generation:
        return ""
    return progress.rejected


def _with_refusal(situation: Situation, message: str) -> str:
    why = refusal(situation)
    return f"{_REFUSED}{one_line(why, 500)} ({message})" if why else message
