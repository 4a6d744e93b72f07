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


def outcome(found: Situation) -> Outcome | None:
    """The end that a run has come to; None while it goes on."""
    return _refused(found) or _gave_up(found) or _out_of_time(found) or _complete(found)


def failed_pods(found: Situation) -> tuple[int, int]:
    """Failed pods that count.

    The pods themselves go with their Jobs, so the number goes on from the last status.

    Returns:
        How many there ever were, and how many of them still exist.
    """
    seen = sum(counted(ended) for ended in found.endings.values())
    before = found.status.workers
    return before.failed_pods + max(0, seen - before.failed_pods_seen), seen


def active_seconds(found: Situation) -> float:
    """Time that the run was neither suspended nor waiting for quota."""
    since = parse_time(found.status.active_since_time)
    running = 0.0 if since is None else max(0.0, (found.now - since).total_seconds())
    return found.status.active_seconds + running


def seconds_left(found: Situation) -> float | None:
    """Time until the deadline; None without one, or while the clock stands."""
    deadline = found.manifest.spec.active_deadline_seconds
    if deadline is None or found.status.active_since_time is None:
        return None
    return max(0.0, deadline - active_seconds(found))


def coordinator_ended(found: Situation) -> bool:
    """Whether the coordinator has nothing more to do."""
    job = found.coordinator
    return job is not None and not is_deleting(job) and completion(job) is not None


def report_is_late(found: Situation) -> float:
    """Seconds since the end of a coordinator whose last report should have arrived by now.

    Returns:
        Negative as long as there is time, positive once it must be asked again.
    """
    ended = completion(found.coordinator or {}) or {}
    moment = parse_time(ended.get("lastTransitionTime")) or found.now
    return (found.now - moment - timedelta(seconds=LAST_REPORT_SECONDS)).total_seconds()


def _refused(found: Situation) -> Outcome | None:
    for ended in found.endings.values():
        for ending in ended:
            if ending.kind == "Configuration":
                return Outcome("Failed", "ConfigurationRefused", ending.message)
    return None


def _gave_up(found: Situation) -> Outcome | None:
    for ending in found.endings["coordinator"]:
        if ending.kind == "GaveUp":
            candidates = ending.error == TooManyFailedCandidates.__name__
            reason = "TooManyFailedCandidates" if candidates else "RunFailed"
            return Outcome("Failed", reason, ending.message)
    failed, _ = failed_pods(found)
    limit = found.manifest.spec.workers.max_failed_pods
    if failed > limit:
        return Outcome(
            "Failed",
            "TooManyFailedPods",
            f"{failed} pods failed, more than spec.workers.maxFailedPods of {limit}. The last:"
            f" {_last_message(found)}",
        )
    if _no_slot_left(found):
        return Outcome(
            "Failed",
            "TooManyFailedPods",
            f"No machine of any worker works. The last: {_last_message(found)}",
        )
    return None


def _no_slot_left(found: Situation) -> bool:
    """Whether every index of a worker Job was given up and none works after all."""
    lost = given_up(found.endings["worker"])
    return found.ready_workers == 0 and any(
        not is_finished(job)
        and all(
            (uid(job), str(index)) in lost for index in range(spec(job).get("completions") or 1)
        )
        for job in found.workers.values()
        if not is_deleting(job)
    )


def last_failure(found: Situation) -> Ending | None:
    """The last pod that ended by its own fault."""
    ended = [e for role in found.endings.values() for e in role if e.kind not in _NO_FAULT]
    return max(ended, key=lambda ending: (ending.finished, ending.pod), default=None)


_NO_FAULT = ("Succeeded", "Stopped")


def _last_message(found: Situation) -> str:
    ending = last_failure(found)
    return "its pods are gone." if ending is None else ending.message


def _out_of_time(found: Situation) -> Outcome | None:
    left = seconds_left(found)
    if left is None or left > 0:
        return None
    deadline = found.manifest.spec.active_deadline_seconds
    return Outcome(
        "Failed",
        "DeadlineExceeded",
        f"The run was active for spec.activeDeadlineSeconds of {deadline}. Raise it to go on.",
    )


def _complete(found: Situation) -> Outcome | None:
    """Complete means: the coordinator ended and has seen the manifest that it was given last."""
    progress = found.progress
    if progress is None or progress.phase != "Complete" or not coordinator_ended(found):
        return None
    seen = progress.observed_generation >= found.followed_generation or progress.rejected
    if not seen or (found.followed_generation < found.generation and not found.problem):
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
