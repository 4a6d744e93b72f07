"""How a run's pods fare: the condition WorkersReady and the counts beside it.

In mode Generation pods come and go with each generation. Reporting every step of that would cost
more writes than the work is worth, so what was ready stays so while a stage's Job fills up: for
`START_SECONDS` until its first pod is ready, and for `FILL_SECONDS` until its last is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cycleqd_operator.api.status import WorkerCounts
from cycleqd_operator.children.jobs import is_elsewhere, is_finished, is_queued, is_suspended
from cycleqd_operator.children.queue import ELASTIC
from cycleqd_operator.decision import conditions
from cycleqd_operator.decision.conditions import Finding
from cycleqd_operator.decision.obstacles import Obstacle, first_obstacle, waits_until
from cycleqd_operator.decision.outcome import failed_pods, last_failure
from cycleqd_operator.decision.situation import Situation
from cycleqd_operator.kube import names
from cycleqd_operator.kube.objects import Json, is_deleting, labels, name, spec, uid

START_SECONDS = 60
FILL_SECONDS = 300

NO_PODS_SECONDS = 30
"""Age of a Job that should have pods by now."""

CRASHES = 2
"""Failures in a row that make a loop."""


@dataclass(frozen=True)
class Workforce:
    """What was found.

    Attributes:
        ready: the condition WorkersReady.
        counts: pods of the worker Jobs.
        look_again_seconds: when time alone may change it; None for never.
    """

    ready: Finding
    counts: WorkerCounts
    look_again_seconds: float | None = None


def workforce(situation: Situation) -> Workforce:
    """How the pods of a run fare that goes on."""
    failed, seen = failed_pods(situation)
    counts = WorkerCounts(
        failed_pods=failed,
        failed_pods_seen=seen,
        queue=situation.manifest.spec.workers.queue_name or "",
    )
    if situation.manifest.spec.suspend:
        return Workforce(Finding("False", "Suspended", "The run is suspended."), counts)
    desired, ready = _desired(situation), _ready(situation)
    look_again = _look_again(situation)
    before = conditions.finding(situation.status, "WorkersReady")
    settling = _settling_seconds(situation, desired, ready)
    if before is not None and before.status == "True" and settling is not None:
        kept = counts.model_copy(
            update={
                "desired": situation.status.workers.desired,
                "ready": situation.status.workers.ready,
            }
        )
        return Workforce(before, kept, min(settling, look_again or settling))
    counts = counts.model_copy(update={"desired": desired, "ready": ready})
    return Workforce(_finding(situation, desired, ready), counts, look_again)


def lacks_pods(situation: Situation, job: Json) -> bool:
    """Whether the Job controller could make no pod for a Job: no account, no quota."""
    return _wants_pods(situation, job) and situation.age(job).total_seconds() >= NO_PODS_SECONDS


def _wants_pods(situation: Situation, job: Json) -> bool:
    """Whether a Job should have pods and has none."""
    if is_suspended(job) or is_finished(job) or is_deleting(job) or is_elsewhere(job):
        return False
    return uid(job) not in situation.jobs_with_pods


def _open(jobs: Iterable[Json]) -> list[Json]:
    return [job for job in jobs if not is_finished(job) and not is_deleting(job)]


def _open_jobs(situation: Situation) -> list[Json]:
    return _open(situation.workers.values())


def _desired(situation: Situation) -> int:
    if situation.manifest.spec.workers.mode == "Pool":
        return situation.manifest.spec.workers.replicas if situation.workers else 0
    return sum(int(spec(job).get("completions") or 0) for job in _open_jobs(situation))


def _ready(situation: Situation) -> int:
    """Ready pods; in mode Generation also those that did their share of an open stage."""
    if situation.manifest.spec.workers.mode == "Pool":
        return situation.ready_workers
    jobs = {uid(job) for job in _open_jobs(situation)}
    ended = situation.endings["worker"]
    return situation.ready_workers + sum(e.kind == "Succeeded" and e.job_uid in jobs for e in ended)


def _settling_seconds(situation: Situation, desired: int, ready: int) -> float | None:
    """Seconds for which an incomplete stage is no news; None where it is, or none is open."""
    if situation.manifest.spec.workers.mode == "Pool" or 0 < desired <= ready:
        return None
    youngest = min(
        (situation.age(job).total_seconds() for job in _open_jobs(situation)), default=0.0
    )
    left = (FILL_SECONDS if ready else START_SECONDS) - youngest
    return left if left > 0 else None


def _look_again(situation: Situation) -> float | None:
    """When a pod or a Job that starts now would be late."""
    pods = [pod for role in situation.pods.values() for pod in role]
    waits = [waits_until(pods, situation.now)]
    for job in situation.jobs:
        left = NO_PODS_SECONDS - situation.age(job).total_seconds()
        waits.append(left if left > 0 and _wants_pods(situation, job) else None)
    return min((wait for wait in waits if wait is not None), default=None)


def _finding(situation: Situation, desired: int, ready: int) -> Finding:
    if ready > 0 and ready >= desired:
        return Finding("True", "Ready", f"All {ready} workers are ready.")
    obstacle = _obstacle(situation)
    if ready > 0:
        reason = "PartlyReady"
        more = f" {obstacle.message}" if obstacle is not None else ""
        return Finding("True", reason, f"{ready} of {desired} workers are ready.{more}")
    if obstacle is not None:
        return Finding("False", obstacle.reason, obstacle.message)
    return Finding("False", "Starting", _starting(situation))


def _starting(situation: Situation) -> str:
    ending = last_failure(situation)
    if ending is not None:
        return f"Pods are starting again. The last failure: {ending.message}"
    if not situation.workers:
        return "Workers start once the coordinator has admitted the run."
    return "The workers' pods are starting."


def _obstacle(situation: Situation) -> Obstacle | None:
    """The most telling cause, the coordinator's first: without it there are no workers."""
    if situation.refused:
        what, answer = min(situation.refused.items())
        return Obstacle("Refused", f"The API server refuses {what}: {answer}")
    if not situation.coordinator_ready:
        obstacle = first_obstacle(situation.pods["coordinator"], "coordinator", situation.now)
        if obstacle is not None:
            return obstacle
    obstacle = first_obstacle(situation.pods["worker"], "workers", situation.now)
    return (
        obstacle
        or _waiting_for_quota(situation)
        or _without_pods(situation)
        or _crash_loop(situation)
    )


def _waiting_for_quota(situation: Situation) -> Obstacle | None:
    # The coordinator's too: Kueue gives Jobs without a queue the namespace's default one, if any.
    waiting = [job for job in _open(situation.jobs) if is_queued(job) and is_suspended(job)]
    if waiting:
        job = min(waiting, key=name)
        return Obstacle(
            "WaitingForQuota",
            f"Job {name(job)} waits until Kueue admits it by LocalQueue"
            f" {labels(job)[names.QUEUE_LABEL]!r}; see kubectl get workloads. If there is none,"
            " create the LocalQueue, install Kueue, or remove spec.workers.queueName.",
        )
    gated = [pod for pod in situation.pods["worker"] if _is_gated(pod)]
    if not gated:
        return None
    return Obstacle(
        "WaitingForQuota",
        f"{len(gated)} of the workers' pods wait until Kueue admits the Job in its new size; see"
        " kubectl get workloads. Give the queue more quota, or lower spec.workers.replicas.",
    )


def _is_gated(pod: Json) -> bool:
    """Whether Kueue holds back a pod of a Job that it has admitted in another size."""
    gates = spec(pod).get("schedulingGates") or ()
    return not is_deleting(pod) and any(gate.get("name") == ELASTIC for gate in gates)


def _without_pods(situation: Situation) -> Obstacle | None:
    lacking = sorted(name(job) for job in situation.jobs if lacks_pods(situation, job))
    if not lacking:
        return None
    return Obstacle(
        "NoPods",
        f"Job {lacking[0]} has no pods: a ResourceQuota, a LimitRange or Pod Security may refuse"
        f" them; see kubectl describe job {lacking[0]}.",
    )


def _crash_loop(situation: Situation) -> Obstacle | None:
    ended = [e for role in situation.endings.values() for e in role]
    failures = [e for e in ended if e.kind not in ("Succeeded", "Stopped")]
    ending = last_failure(situation)
    if ending is None or len(failures) < CRASHES:
        return None
    failed, _ = failed_pods(situation)
    limit = situation.manifest.spec.workers.max_failed_pods
    return Obstacle(
        "CrashLooping", f"{failed} of at most {limit} failed pods. The last: {ending.message}"
    )
