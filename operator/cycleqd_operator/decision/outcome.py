"""Whether a run has come to its end, and to which.

An end is recorded in the status first and acted upon at the next look: the pods and Jobs that prove
it may be gone by then, and the record must not depend on them any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from cycleqd.errors import TooManyFailedCandidates
from cycleqd_operator.children.jobs import completion, is_finished
from cycleqd_operator.decision.endings import Ending, counted, given_up
from cycleqd_operator.decision.situation import Situation
from cycleqd_operator.kube.objects import is_deleting, parse_time, spec, uid

LAST_REPORT_SECONDS = 10
"""Time in which the last report of a coordinator that ended must arrive."""


@dataclass(frozen=True)
class Outcome:
    """An end.

    Attributes:
        type: the condition that becomes true.
        reason: why, for programs.
        message: why, for people.
    """

    type: Literal["Complete", "Failed"]
    reason: str
    message: str


def outcome(situation: Situation) -> Outcome | None:
    """The end that a run has come to; None while it goes on."""
    return (
        _refused(situation)
        or _gave_up(situation)
        or _out_of_time(situation)
        or _complete(situation)
    )


def failed_pods(situation: Situation) -> tuple[int, int]:
    """Failed pods that count.

    The pods themselves go with their Jobs, so the number goes on from the last status.

    Returns:
        How many there ever were, and how many of them still exist.
    """
    seen = sum(counted(ended) for ended in situation.endings.values())
    before = situation.status.workers
    return before.failed_pods + max(0, seen - before.failed_pods_seen), seen


def active_seconds(situation: Situation) -> float:
    """Time that the run was neither suspended nor waiting for quota."""
    since = parse_time(situation.status.active_since_time)
    running = 0.0 if since is None else max(0.0, (situation.now - since).total_seconds())
    return situation.status.active_seconds + running


def seconds_left(situation: Situation) -> float | None:
    """Time until the deadline; None without one, or while the clock stands."""
    deadline = situation.manifest.spec.active_deadline_seconds
    if deadline is None or situation.status.active_since_time is None:
        return None
    return max(0.0, deadline - active_seconds(situation))


def coordinator_ended(situation: Situation) -> bool:
    """Whether the coordinator has nothing more to do."""
    job = situation.coordinator
    return job is not None and not is_deleting(job) and completion(job) is not None


def report_is_late(situation: Situation) -> float:
    """Seconds since the end of a coordinator whose last report should have arrived by now.

    Returns:
        Negative as long as there is time, positive once it must be asked again.
    """
    ended = completion(situation.coordinator or {}) or {}
    moment = parse_time(ended.get("lastTransitionTime")) or situation.now
    return (situation.now - moment - timedelta(seconds=LAST_REPORT_SECONDS)).total_seconds()


def _refused(situation: Situation) -> Outcome | None:
    for ended in situation.endings.values():
        for ending in ended:
            if ending.kind == "Configuration":
                return Outcome("Failed", "ConfigurationRefused", ending.message)
    return None


def _gave_up(situation: Situation) -> Outcome | None:
    for ending in situation.endings["coordinator"]:
        if ending.kind == "GaveUp":
            candidates = ending.error == TooManyFailedCandidates.__name__
            reason = "TooManyFailedCandidates" if candidates else "RunFailed"
            return Outcome("Failed", reason, ending.message)
    failed, _ = failed_pods(situation)
    limit = situation.manifest.spec.workers.max_failed_pods
    if failed > limit:
        return Outcome(
            "Failed",
            "TooManyFailedPods",
            f"{failed} pods failed, more than spec.workers.maxFailedPods of {limit}. The last:"
            f" {_last_message(situation)}",
        )
    if _no_slot_left(situation):
        return Outcome(
            "Failed",
            "TooManyFailedPods",
            f"No machine of any worker works. The last: {_last_message(situation)}",
        )
    return None


def _no_slot_left(situation: Situation) -> bool:
    """Whether every index of a worker Job was given up and none works after all."""
    lost = given_up(situation.endings["worker"])
    return situation.ready_workers == 0 and any(
        not is_finished(job)
        and all(
            (uid(job), str(index)) in lost for index in range(spec(job).get("completions") or 1)
        )
        for job in situation.workers.values()
        if not is_deleting(job)
    )


def last_failure(situation: Situation) -> Ending | None:
    """The last pod that ended by its own fault."""
    ended = [e for role in situation.endings.values() for e in role if e.kind not in _NO_FAULT]
    return max(ended, key=lambda ending: (ending.finished, ending.pod), default=None)


_NO_FAULT = ("Succeeded", "Stopped")


def _last_message(situation: Situation) -> str:
    ending = last_failure(situation)
    return "its pods are gone." if ending is None else ending.message


def _out_of_time(situation: Situation) -> Outcome | None:
    left = seconds_left(situation)
    if left is None or left > 0:
        return None
    deadline = situation.manifest.spec.active_deadline_seconds
    return Outcome(
        "Failed",
        "DeadlineExceeded",
        f"The run was active for spec.activeDeadlineSeconds of {deadline}. Raise it to go on.",
    )


def _complete(situation: Situation) -> Outcome | None:
    """Complete means: the coordinator ended and has seen the manifest that it was given last."""
    progress = situation.progress
    if progress is None or progress.phase != "Complete" or not coordinator_ended(situation):
        return None
    seen = progress.answered_generation >= situation.followed_generation
    if not seen or (situation.followed_generation < situation.generation and not situation.problem):
        return None
    if progress.goal_reached:
        return Outcome(
            "Complete",
            "GoalReached",
            f"Generation {progress.generation} reached the goal.",
        )
    return Outcome(
        "Complete",
        "GenerationsCompleted",
        f"All {progress.generations} generations are evolved.",
    )
