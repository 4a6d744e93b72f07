"""How the pods of a run ended, and whose fault it was.

A pod that was told to stop (preempted, evicted, deleted, on a node that was lost) says nothing
about the run, so it never counts. Of the others the exit code speaks first, as `cycleqd.errors`
gives it, then the termination message, which is a `cycleqd.contract.progress.PodFailure` where our
own process wrote it and the tail of the log otherwise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pydantic import ValidationError

from cycleqd.contract.pods import SANDBOX
from cycleqd.contract.progress import PodFailure
from cycleqd.errors import InputError, RunFailed, SlotError, StoreUnavailable
from cycleqd_operator.kube import names
from cycleqd_operator.kube.objects import (
    Json,
    has_condition,
    is_deleting,
    labels,
    metadata,
    name,
    owner_uid,
    status,
)
from cycleqd_operator.text import one_line

Kind = Literal[
    "Succeeded", "Stopped", "Configuration", "GaveUp", "Slot", "Storage", "OutOfMemory", "Failure"
]

STOP_REASONS = frozenset(
    {
        *("Evicted", "Preempting", "Preempted", "NodeLost", "NodeShutdown", "Shutdown"),
        *("Terminated", "NodeAffinity", "UnexpectedAdmissionError"),
    }
)
"""``status.reason`` of pods that a node or a scheduler ended or refused."""

_REFUSED_BY_KUBELET = "OutOf"
"""How such reasons begin that name a resource: OutOfcpu, OutOfnvidia.com/gpu."""

SLOT_ATTEMPTS = 3
"""Pods of one index that may find their machine broken before the index is given up."""

_TERMINATED_BY_SIGNAL = 137


@dataclass(frozen=True)
class Ending:
    """How one pod ended.

    Attributes:
        pod: its name.
        job_uid: uid of its Job.
        index: its completion index, empty for the coordinator.
        kind: whose fault it was; `Failure` is anything else.
        message: what happened, in a sentence.
        finished: when, as the API writes times; empty where nobody saw it.
        error: name of the error class, empty where our process did not say.
    """

    pod: str
    job_uid: str
    index: str
    kind: Kind
    message: str
    finished: str
    error: str = ""


def endings(pods: Iterable[Json], container: str) -> list[Ending]:
    """The pods that ended, oldest first.

    Args:
        pods: of one role.
        container: name of the container that does the work.
    """
    found = [ending for pod in pods if (ending := _ending(pod, container)) is not None]
    return sorted(found, key=lambda ending: (ending.finished, ending.pod))


def counted(ended: Iterable[Ending]) -> int:
    """How many count towards ``maxFailedPods``.

    An index whose machine is broken counts `SLOT_ATTEMPTS` times; it is given up, and the other
    workers do its share.
    """
    ended = list(ended)
    count = sum(ending.kind in ("OutOfMemory", "Failure") for ending in ended)
    return count + sum(min(attempts, SLOT_ATTEMPTS) for attempts in _broken_slots(ended).values())


def given_up(ended: Iterable[Ending]) -> set[tuple[str, str]]:
    """Slots (uid of the Job, index) that were found broken too often."""
    return {slot for slot, attempts in _broken_slots(ended).items() if attempts >= SLOT_ATTEMPTS}


def _broken_slots(ended: Iterable[Ending]) -> Counter[tuple[str, str]]:
    """How many pods of each slot found their machine broken."""
    return Counter((ending.job_uid, ending.index) for ending in ended if ending.kind == "Slot")


def is_ended(pod: Json) -> bool:
    """Whether the pod runs no more."""
    return status(pod).get("phase") in ("Succeeded", "Failed")


def is_ready(pod: Json) -> bool:
    """Whether the pod works, as its supervisor says."""
    return has_condition(pod, "Ready") and not is_deleting(pod) and not is_ended(pod)


def _ending(pod: Json, container: str) -> Ending | None:
    if not is_ended(pod):
        return None
    phase, reason = status(pod).get("phase"), str(status(pod).get("reason") or "")
    found = _terminated(pod, container)
    code = found.get("exitCode")
    failure = _failure(found)
    kind: Kind
    if phase == "Succeeded":
        kind = "Succeeded"
    elif code == InputError.exit_code:
        kind = "Configuration"
    elif _was_stopped(pod, reason) or code is None:
        kind = "Stopped"
    elif found.get("reason") == "OOMKilled":
        kind = "OutOfMemory"
    elif code == SlotError.exit_code:
        kind = "Slot"
    elif code == StoreUnavailable.exit_code:
        kind = "Storage"
    elif code == RunFailed.exit_code and failure is not None:
        kind = "GaveUp" if container == "coordinator" else "Failure"
    else:
        kind = "Failure"
    return Ending(
        pod=name(pod),
        job_uid=owner_uid(pod),
        index=labels(pod).get(names.INDEX_LABEL, ""),
        kind=kind,
        message=_message(pod, container, kind, found, failure),
        finished=str(found.get("finishedAt") or metadata(pod).get("creationTimestamp") or ""),
        error="" if failure is None else failure.reason,
    )


def _was_stopped(pod: Json, reason: str) -> bool:
    return (
        is_deleting(pod)
        or has_condition(pod, "DisruptionTarget")
        or reason in STOP_REASONS
        or reason.startswith(_REFUSED_BY_KUBELET)
    )


def _terminated(pod: Json, container: str) -> Json:
    """State of the container that ended the pod: ours, else the first that failed."""
    main: Json = {}
    failed: Json = {}
    for field in ("initContainerStatuses", "containerStatuses"):
        for found in status(pod).get(field) or ():
            ended = (found.get("state") or {}).get("terminated")
            if ended is None:
                continue
            if found.get("name") == container:
                main = dict(ended)
            elif found.get("name") == SANDBOX:
                continue  # it is told to end when the others have, and started again before
            elif ended.get("exitCode") and not failed:
                failed = {**ended, "container": found.get("name")}
    return main if main.get("exitCode") or not failed else failed


def _failure(terminated: Json) -> PodFailure | None:
    try:
        return PodFailure.model_validate_json(str(terminated.get("message") or ""))
    except ValidationError:
        return None


def _message(pod: Json, container: str, kind: Kind, found: Json, failure: PodFailure | None) -> str:
    """What happened to the pod and, where there is one, the remedy."""
    who = f"Pod {name(pod)}"
    if kind == "Stopped":
        cause = status(pod).get("message") or status(pod).get("reason") or "it was told to stop"
        return f"{who} was stopped: {one_line(str(cause))}"
    if kind == "OutOfMemory":
        return (
            f"{who} ran out of memory; raise resources.limits.memory of container {container!r} in"
            f" spec.{'workers' if container == 'worker' else container}.template"
        )
    if failure is not None:
        return f"{who}: {failure.reason}: {one_line(failure.message)}"
    other = found.get("container")
    whose = f"container {other!r} of pod {name(pod)}" if other else f"pod {name(pod)}"
    log = one_line(str(found.get("message") or ""), tail=True)
    code = found.get("exitCode")
    killed = " (killed)" if code == _TERMINATED_BY_SIGNAL else ""
    return f"{whose[0].upper()}{whose[1:]} ended with exit code {code}{killed}" + (
        f": {log}" if log else f"; see kubectl logs {name(pod)}"
    )
