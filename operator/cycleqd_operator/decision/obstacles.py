"""Why a pod that should run does not: found in what the kubelet and the scheduler say of it.

Each obstacle has a reason for programs and a message with the cause in the cluster's own words and
what to do about it. None is a failure: all of these pods start by themselves once the cause is
gone. Many a cause goes by itself, too: a kubelet that has not seen a new pod's Secrets yet, a
registry that answers the second time, GPUs that a pod before is just leaving. Such a wait is an
obstacle only after a grace, counted from when the cluster says that it began.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cycleqd_operator.decision.endings import is_ended
from cycleqd_operator.kube.objects import (
    Json,
    condition,
    has_condition,
    is_deleting,
    metadata,
    name,
    parse_time,
    status,
)
from cycleqd_operator.text import one_line

GRACE_SECONDS = 30
"""How long a wait that may end by itself is part of starting.

The kubelet tries again after 10 s, and after 20 s more to pull an image: what is still there then
has failed three times. A cause that stays is told half a minute later, of a start that takes
minutes.
"""

SLOW_START_SECONDS = 120
"""A pod that has a node and no reason to wait is suspicious after so long."""

_HOPELESS = frozenset({"InvalidImageName", "ErrImageNeverPull"})
"""Waits that no further try can end, so without grace."""

_IMAGE = _HOPELESS | {
    *("ErrImagePull", "ImagePullBackOff", "ImageInspectError"),
    *("RegistryUnavailable", "SignatureValidationFailed"),
}
_CONFIG = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
_STEPS = frozenset({"PodScheduled", "PodReadyToStartContainers", "Initialized"})
"""Conditions of a pod that become true on its way to its containers."""

_CONTAINERS = ("initContainerStatuses", "containerStatuses")


@dataclass(frozen=True)
class Obstacle:
    """What keeps a pod from running.

    Attributes:
        reason: ``ImagePullFailed``, ``ContainerConfigError``, ``Unschedulable`` or ``SlowStart``.
        message: the cause and the remedy.
    """

    reason: str
    message: str


def first_obstacle(pods: Iterable[Json], role: str, now: datetime) -> Obstacle | None:
    """The obstacle of the first pod that has one; by name, so that it is the same at each look.

    Args:
        pods: of one role.
        role: ``workers`` or ``coordinator``, as the manifest names it.
        now: the present.
    """
    for pod in sorted(pods, key=name):
        for wait in _waits(pod):
            if wait.due <= now:
                return Obstacle(wait.reason, wait.message(pod, role))
    return None


def waits_until(pods: Iterable[Json], now: datetime) -> float | None:
    """Seconds until the wait of a pod becomes an obstacle by time alone; None for never."""
    left = [(wait.due - now).total_seconds() for pod in pods for wait in _waits(pod)]
    return min((seconds for seconds in left if seconds > 0), default=None)


@dataclass(frozen=True)
class _Wait:
    """What a pod waits for.

    Attributes:
        reason: that of the obstacle which it becomes.
        said: the cause in the cluster's words.
        due: from when on it is an obstacle.
    """

    reason: str
    said: str
    due: datetime

    def message(self, pod: Json, role: str) -> str:
        """The cause and the remedy."""
        remedy = _REMEDIES[self.reason].format(role=role, pod=name(pod))
        return f"Pod {name(pod)}{self.said} {remedy}"


_REMEDIES = {
    "ImagePullFailed": (
        "Correct spec.{role}.image, or give the registry's secret in"
        " spec.{role}.template.spec.imagePullSecrets."
    ),
    "ContainerConfigError": (
        "Create what is missing in the run's namespace, or correct spec.storage.s3 or"
        " spec.{role}.template."
    ),
    "Unschedulable": (
        "Add nodes, or change resources, nodeSelector or tolerations in spec.{role}.template."
    ),
    "SlowStart": (
        "its image may be large, or a ConfigMap or a volume that it mounts may be missing; see"
        " kubectl describe pod {pod}."
    ),
}


def _waits(pod: Json) -> list[_Wait]:
    """All that a pod waits for, the most telling first."""
    if is_ended(pod) or is_deleting(pod):
        return []
    return [*_container_waits(pod), *_scheduling_wait(pod), *_slow_start(pod)]


def _container_waits(pod: Json) -> Iterator[_Wait]:
    began = _turn_began(pod)
    for container in _containers(pod):
        waiting = (container.get("state") or {}).get("waiting") or {}
        reason = waiting.get("reason")
        said = f": {one_line(str(waiting.get('message') or '')) or reason}."
        if reason in _IMAGE:
            grace = 0 if reason in _HOPELESS else GRACE_SECONDS
            yield _Wait("ImagePullFailed", said, _after(began, grace))
        elif reason in _CONFIG:
            yield _Wait("ContainerConfigError", said, _after(began, GRACE_SECONDS))


def _scheduling_wait(pod: Json) -> Iterator[_Wait]:
    found = condition(pod, "PodScheduled") or {}
    if found.get("status") == "False" and found.get("reason") == "Unschedulable":
        since = parse_time(found.get("lastTransitionTime")) or _born(pod)
        said = f": {one_line(str(found.get('message') or ''))}"
        yield _Wait("Unschedulable", said, _after(since, GRACE_SECONDS))


def _slow_start(pod: Json) -> Iterator[_Wait]:
    """That of a pod which has a node and has started no container."""
    pending = status(pod).get("phase") in (None, "Pending")
    born = _born(pod)
    if pending and born is not None and has_condition(pod, "PodScheduled"):
        said = " has been starting for long:"
        yield _Wait("SlowStart", said, _after(born, SLOW_START_SECONDS))


def _turn_began(pod: Json) -> datetime | None:
    """When the containers that wait now had their turn.

    A waiting container has no time of its own. It had its turn once its pod had a node and a
    sandbox, and all containers before it had ended.
    """
    steps = [
        found.get("lastTransitionTime")
        for found in status(pod).get("conditions") or ()
        if found.get("type") in _STEPS and found.get("status") == "True"
    ]
    ends = [
        ((container.get(state) or {}).get("terminated") or {}).get("finishedAt")
        for container in _containers(pod)
        for state in ("state", "lastState")
    ]
    moments = [parse_time(text) for text in (status(pod).get("startTime"), *steps, *ends)]
    return max((m for m in (_born(pod), *moments) if m is not None), default=None)


def _containers(pod: Json) -> Iterator[Json]:
    for field in _CONTAINERS:
        yield from status(pod).get(field) or ()


def _born(pod: Json) -> datetime | None:
    return parse_time(metadata(pod).get("creationTimestamp"))


def _after(since: datetime | None, seconds: float) -> datetime:
    """The end of a grace; long ago where nobody says when it began."""
    return _LONG_AGO if since is None else since + timedelta(seconds=seconds)


_LONG_AGO = datetime.min.replace(tzinfo=UTC)
