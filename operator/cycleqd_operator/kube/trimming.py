"""What the cache keeps of an object: a hundred runs' thousands of Jobs and pods must stay small.

Most of an object is of no use to the decision: who wrote which field, the pod template that a Job
repeats in each of its pods, addresses. `trim` drops it, and shares equal strings between objects.
What it returns is never deeper than `cycleqd_operator.kube.nesting.LEVELS`.
"""

from __future__ import annotations

import sys
from typing import Any

from cycleqd_operator.kube.nesting import LEVELS
from cycleqd_operator.kube.objects import Json

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

POD_METADATA = (
    *("name", "namespace", "uid", "resourceVersion", "generation"),
    *("labels", "annotations", "ownerReferences", "creationTimestamp", "deletionTimestamp"),
)
POD_SPEC = ("nodeName", "schedulingGates")
POD_STATUS = ("phase", "reason", "message", "conditions", "startTime")
CONTAINER_STATUS = ("name", "ready", "restartCount", "state", "lastState")
CONTAINER_LISTS = ("initContainerStatuses", "containerStatuses")


def trim(kind: str, obj: Json) -> Json:
    """A smaller copy of an object, with all that the decision reads.

    Args:
        kind: its kind.
        obj: the object as the API server sent it; not changed.
    """
    found = dict(obj)
    meta: Json = dict(obj.get("metadata") or {})
    meta.pop("managedFields", None)
    if LAST_APPLIED in (meta.get("annotations") or {}):
        meta["annotations"] = {k: v for k, v in meta["annotations"].items() if k != LAST_APPLIED}
    found["metadata"] = meta
    if kind == "Job":
        spec = obj.get("spec") or {}
        found["spec"] = {key: value for key, value in spec.items() if key != "template"}
    elif kind == "Pod":
        found["metadata"] = _keep(meta, POD_METADATA)
        found["spec"] = _keep(obj.get("spec") or {}, POD_SPEC)
        found["status"] = _pod_status(obj.get("status") or {})
    shared: Json = _share(found, LEVELS)
    return shared


def _keep(part: Json, keys: tuple[str, ...]) -> Json:
    """Some keys of a part."""
    return {key: part[key] for key in keys if key in part}


def _pod_status(status: Json) -> Json:
    """How a pod fares, without addresses and image digests."""
    kept = _keep(status, POD_STATUS)
    for name in CONTAINER_LISTS:
        if name in status:
            kept[name] = [_keep(container, CONTAINER_STATUS) for container in status[name]]
    return kept


def _share(value: Any, levels: int) -> Any:  # noqa: ANN401 - any JSON value
    """The same JSON with short strings interned: keys, labels and reasons repeat by thousands.

    Lists and mappings below so many levels are left out.
    """
    if isinstance(value, dict | list) and levels == 0:
        return None
    if isinstance(value, dict):
        return {sys.intern(key): _share(item, levels - 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_share(item, levels - 1) for item in value]
    if isinstance(value, str) and len(value) <= 64:
        return sys.intern(value)
    return value
