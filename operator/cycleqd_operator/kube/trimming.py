"""What the cache keeps of an object: no tenant's objects may take the memory of all others.

Most of an object is of no use to the decision: who wrote which field, the pod template that a Job
repeats in each of its pods, addresses, other people's labels and annotations. `trim` drops it, and
shares equal strings between objects. What a tenant may fill at will is bounded: a run whose spec is
too large is kept without it, with the reason under `SPEC_REFUSED`; a ConfigMap keeps the keys of
the contract with the pods, each up to a size. What `trim` returns is never deeper than
`cycleqd_operator.kube.nesting.LEVELS`, and trimming it again changes nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from typing import Any

from cycleqd.contract.config_maps import DOCUMENT, GENERATION, PROGRESS
from cycleqd.manifest.bounds import json_bytes, template_problems
from cycleqd_operator.kube.names import (
    COMPONENT_LABEL,
    INDEX_LABEL,
    QUEUE_LABEL,
    RUN_LABEL,
    TEMPLATE_HASH,
)
from cycleqd_operator.kube.nesting import LEVELS
from cycleqd_operator.kube.objects import Json

SPEC_REFUSED = "specRefused"
"""Key of a run that is kept without its spec, for the reason; the API server stores none there."""

MAX_SPEC_BYTES = 524_288
"""Size of a run's spec as JSON; etcd and the ConfigMap that carries it take about twice of that."""

MAX_DATA_BYTES = {DOCUMENT: MAX_SPEC_BYTES + 4096, GENERATION: 64, PROGRESS: 65_536}
"""Sizes of what a ConfigMap of a run holds; a longer text is none of ours and kept as empty."""

METADATA = (
    *("name", "namespace", "uid", "resourceVersion", "generation"),
    *("creationTimestamp", "deletionTimestamp"),
)
LABELS = (RUN_LABEL, COMPONENT_LABEL, QUEUE_LABEL, INDEX_LABEL)
ANNOTATIONS = (TEMPLATE_HASH,)
JOB_SPEC = ("suspend", "parallelism", "completions", "managedBy")
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
    found = {**obj, "metadata": _metadata(obj.get("metadata") or {})}
    if kind == "Job":
        found["spec"] = _keep(obj.get("spec") or {}, JOB_SPEC)
    elif kind == "Pod":
        found["spec"] = _keep(obj.get("spec") or {}, POD_SPEC)
        found["status"] = _pod_status(obj.get("status") or {})
    elif kind == "ConfigMap":
        found.pop("binaryData", None)
        if "data" in obj:
            found["data"] = _data(obj["data"] or {})
    if kind == "CycleQDRun":
        run: Json = _copy(found, LEVELS, str)
        why = _why_too_large(run.get("spec"))
        return {**run, "spec": {}, SPEC_REFUSED: why} if why else run
    shared: Json = _copy(found, LEVELS, sys.intern)
    return shared


def _metadata(meta: Json) -> Json:
    """Who an object is, whose it is, and what its makers wrote on it for the decision."""
    found = _keep(meta, METADATA)
    owners = [owner for owner in meta.get("ownerReferences") or () if owner.get("controller")]
    parts = {
        "labels": _keep(meta.get("labels") or {}, LABELS),
        "annotations": _keep(meta.get("annotations") or {}, ANNOTATIONS),
        "ownerReferences": owners,
    }
    return found | {name: part for name, part in parts.items() if part}


def _keep(part: Json, keys: Collection[str]) -> Json:
    """Some keys of a part."""
    return {key: part[key] for key in keys if key in part}


def _data(data: Json) -> Json:
    """What a ConfigMap's contract knows, in the size that it may have."""
    return {
        key: text if len(text) <= MAX_DATA_BYTES[key] else ""
        for key, text in _keep(data, MAX_DATA_BYTES).items()
    }


def _pod_status(status: Json) -> Json:
    """How a pod fares, without addresses and image digests."""
    kept = _keep(status, POD_STATUS)
    for name in CONTAINER_LISTS:
        if name in status:
            kept[name] = [_keep(container, CONTAINER_STATUS) for container in status[name]]
    return kept


def _why_too_large(spec: object) -> str:
    """Why a run's spec is not kept; empty where it is."""
    if problems := template_problems(spec):
        return "; ".join(problems)
    size = json_bytes(spec)
    if size <= MAX_SPEC_BYTES:
        return ""
    return (
        f"spec: takes {size} bytes as JSON, expected at most {MAX_SPEC_BYTES}; shorten it, such as"
        " its system messages and annotations"
    )


def _copy(value: Any, levels: int, text: Callable[[str], str]) -> Any:  # noqa: ANN401 - any JSON
    """The same JSON with short strings as a function gives them; shared, they take little.

    Keys, labels and reasons repeat by thousands. Lists and mappings below so many levels are left
    out.
    """
    if isinstance(value, str):
        return text(value) if len(value) <= 64 else value
    if isinstance(value, dict):
        if levels == 0:
            return None
        return {text(key): _copy(item, levels - 1, text) for key, item in value.items()}
    if isinstance(value, list):
        return [_copy(item, levels - 1, text) for item in value] if levels else None
    return value
