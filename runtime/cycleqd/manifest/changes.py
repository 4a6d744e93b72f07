"""What differs between two manifests, and what may differ in a run that goes on."""

from __future__ import annotations

import json
from typing import Any

from cycleqd.errors import RunMismatch
from cycleqd.manifest.model import Manifest
from cycleqd.manifest.schema import canonical

NOT_IDENTITY = (
    "activeDeadlineSeconds",
    "coordinator",
    "goal",
    "serviceAccountAnnotations",
    "storage",
    "suspend",
    "ttlSecondsAfterFinished",
    "workers",
)
"""Fields of the spec that are no part of a run's identity: where it lives, who works for it, and
how long it goes on."""

_FREE = (
    "metadata.labels",
    "metadata.annotations",
    "metadata.namespace",
    "spec.evolution.maxFailedCandidates",
    *(f"spec.{field}" for field in NOT_IDENTITY),
)
"""What may change on an existing run, since no candidate depends on it."""

_FIXED = "spec.workers.threads"
"""The one field below the free ones on which results depend."""

_GENERATIONS = "spec.evolution.generations"


def identity(manifest: Manifest) -> dict[str, Any]:
    """The canonical spec without `NOT_IDENTITY`: equal for runs that evaluate equal candidates."""
    spec = canonical(manifest)["spec"]
    return {field: value for field, value in spec.items() if field not in NOT_IDENTITY}


def _leaves(value: object, path: str) -> dict[str, Any]:
    if isinstance(value, dict) and value:
        found: dict[str, Any] = {}
        for key, part in value.items():
            plain = key.replace("_", "").isalnum()
            step = f".{key}" if plain else f"[{json.dumps(key)}]"
            found |= _leaves(part, f"{path}{step}".lstrip("."))
        return found
    if isinstance(value, list) and value:
        found = {}
        for index, part in enumerate(value):
            found |= _leaves(part, f"{path}[{index}]")
        return found
    return {path: value}


def _differences(old: Manifest, new: Manifest) -> list[tuple[str, Any, Any]]:
    before, after = _leaves(canonical(old), ""), _leaves(canonical(new), "")
    paths = list(before) + [path for path in after if path not in before]
    return [
        (path, before.get(path), after.get(path))
        for path in paths
        if before.get(path) != after.get(path)
    ]


def changes(old: Manifest, new: Manifest) -> list[str]:
    """Paths of the fields whose values differ, in document spelling and order."""
    return [path for path, _, _ in _differences(old, new)]


def _free(path: str) -> bool:
    return path != _FIXED and any(
        path == free or path.startswith((f"{free}.", f"{free}[")) for free in _FREE
    )


def _shown(value: object) -> str:
    return "nothing" if value is None else json.dumps(value)


def check_continuation(old: Manifest, new: Manifest) -> None:
    """Check that a manifest may continue the run that a store holds.

    Generations may be raised; labels, annotations, namespace, the limit of failed candidates and
    the fields `NOT_IDENTITY` but for the workers' threads may change freely; all else decides what
    the candidates are.

    Raises:
        RunMismatch: one line for each field that may not change, with both values.
    """
    problems = []
    for path, before, after in _differences(old, new):
        if _free(path) or (path == _GENERATIONS and after > before):
            continue
        if path == _GENERATIONS:
            problems.append(
                f"{path}: the run in the store is planned for {before}, the manifest says {after}; "
                f"it may only be raised: write {before} or more, or choose another --store"
            )
        else:
            problems.append(
                f"{path}: the run in the store has {_shown(before)}, the manifest says "
                f"{_shown(after)}; restore the value, or choose another --store for a new run"
            )
    if problems:
        raise RunMismatch("\n".join(problems))
