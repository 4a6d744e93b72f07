"""Why a pod that should run does not: found in what the kubelet and the scheduler say of it.

Each obstacle has a reason for programs and a message with the cause in the cluster's own words and
what to do about it. None is a failure: all of these pods start by themselves once the cause is
gone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cycleqd_operator.decision.endings import is_ended
from cycleqd_operator.kube.objects import (
    Json,
    condition,
    is_deleting,
    metadata,
    name,
    parse_time,
    status,
)
from cycleqd_operator.text import one_line

SLOW_START_SECONDS = 120
"""A pod that has a node and no reason to wait is suspicious after so long."""

_IMAGE = frozenset(
    {
        *("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"),
        *("ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed"),
    }
)
_CONFIG = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})


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
        if is_ended(pod) or is_deleting(pod):
            continue
        if (found := _obstacle(pod, role, now)) is not None:
            return found
    return None


def waits_until(pods: Iterable[Json], now: datetime) -> float | None:
    """Seconds until a pod that starts now would be suspiciously slow; None without such a pod."""
    ages = [_starting_seconds(pod, now) for pod in pods]
    waits = [SLOW_START_SECONDS - age for age in ages if age is not None]
    return min((wait for wait in waits if wait > 0), default=None)


def _obstacle(pod: Json, role: str, now: datetime) -> Obstacle | None:
    for field in ("initContainerStatuses", "containerStatuses"):
        for container in status(pod).get(field) or ():
            waiting = (container.get("state") or {}).get("waiting") or {}
            reason, said = waiting.get("reason"), one_line(str(waiting.get("message") or ""))
            if reason in _IMAGE:
                return Obstacle(
                    "ImagePullFailed",
                    f"Pod {name(pod)}: {said or reason}. Correct spec.{role}.image, or give the"
                    f" registry's secret in spec.{role}.template.spec.imagePullSecrets.",
                )
            if reason in _CONFIG:
                return Obstacle(
                    "ContainerConfigError",
                    f"Pod {name(pod)}: {said or reason}. Create what is missing in the run's"
                    f" namespace, or correct spec.storage.s3 or spec.{role}.template.",
                )
    scheduled = condition(pod, "PodScheduled") or {}
    if scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable":
        return Obstacle(
            "Unschedulable",
            f"Pod {name(pod)}: {one_line(str(scheduled.get('message') or ''))} Add nodes, or"
            f" change resources, nodeSelector or tolerations in spec.{role}.template.",
        )
    age = _starting_seconds(pod, now)
    if age is not None and age >= SLOW_START_SECONDS:
        return Obstacle(
            "SlowStart",
            f"Pod {name(pod)} has been starting for long: its image may be large, or a ConfigMap"
            f" or a volume that it mounts may be missing; see kubectl describe pod {name(pod)}.",
        )
    return None


def _starting_seconds(pod: Json, now: datetime) -> float | None:
    """Age of a pod that has a node and has started no container."""
    if status(pod).get("phase") not in (None, "Pending"):
        return None
    if (condition(pod, "PodScheduled") or {}).get("status") != "True":
        return None
    born = parse_time(metadata(pod).get("creationTimestamp"))
    return None if born is None else (now - born).total_seconds()
