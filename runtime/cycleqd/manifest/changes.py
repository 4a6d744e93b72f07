"""What differs between two manifests, and what may differ in a run that goes on.

What a field's change means stands at the field, as its mark (`cycleqd.manifest.mutability`); here
the marks are read, and what follows from them for a run in a store is derived.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from cycleqd.errors import RunMismatch
from cycleqd.manifest.model import Manifest, Spec
from cycleqd.manifest.mutability import CHANGE, DECISIVE, OF_PODS, Change
from cycleqd.manifest.schema import canonical, manifest_schema


@cache
def marks() -> Mapping[str, Change]:
    """The mark of every field by path, in the document's order.

    Of the fields of a list's elements those that have a mark of their own: ``spec.tasks[].items``.
    """
    found: dict[str, Change] = {}

    def walk(node: dict[str, Any], path: str, inherited: Change) -> None:
        mark = Change(node.get(CHANGE, inherited))
        if path:
            found[path] = mark
        for name, part in node.get("properties", {}).items():
            walk(part, f"{path}.{name}".lstrip("."), mark)
        for name, part in node.get("items", {}).get("properties", {}).items():
            if CHANGE in part:
                walk(part, f"{path}[].{name}", mark)

    walk(manifest_schema(), "", Change.FIXED)
    return MappingProxyType(found)


def mark_of(path: str) -> Change:
    """The mark of what stands at a path such as ``spec.tasks[1].bounds.min``."""
    field = re.sub(r"\[\d+\]", "[]", path)
    return marks()[max((known for known in marks() if _within(field, known)), key=len)]


def _within(path: str, field: str) -> bool:
    return path == field or path.startswith((f"{field}.", f"{field}["))


def spec_fields(wanted: Container[Change]) -> frozenset[str]:
    """Names in Python of the spec's own fields that have one of some marks."""
    return frozenset(
        name
        for name, field in Spec.model_fields.items()
        if marks()[f"spec.{field.alias}"] in wanted
    )


def identity(manifest: Manifest) -> dict[str, Any]:
    """The spec's decisive fields, canonical: equal for runs that evaluate equal candidates.

    A field of the spec is taken whole or not at all, whatever the marks of those below it: runs in
    stores are named by this.
    """
    spec = canonical(manifest)["spec"]
    return {field: value for field, value in spec.items() if marks()[f"spec.{field}"] in DECISIVE}


def concerns_pods_only(path: str) -> bool:
    """Whether a field says nothing to the coordinator or the workers of a run."""
    return mark_of(path) in OF_PODS


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


def differences(old: Manifest, new: Manifest) -> list[tuple[str, Any, Any]]:
    """Path and both values of every field that differs, None where one manifest has no such field.

    Paths are in document spelling and order, values are canonical JSON data.
    """
    before, after = _leaves(canonical(old), ""), _leaves(canonical(new), "")
    paths = list(before) + [path for path in after if path not in before]
    return [
        (path, before.get(path), after.get(path))
        for path in paths
        if before.get(path) != after.get(path)
    ]


def changes(old: Manifest, new: Manifest) -> list[str]:
    """Paths of the fields whose values differ, in document spelling and order."""
    return [path for path, _, _ in differences(old, new)]


def shown_value(value: object) -> str:
    """A value of `differences` in a message."""
    return "nothing" if value is None else json.dumps(value)


def _is_appended(path: str, old: Manifest) -> bool:
    """Whether a path stands in a part of a list that the older manifest does not have."""
    found = re.match(r"spec\.(experts|tasks|curriculum)\[(\d+)\]", path)
    return found is not None and int(found[2]) >= len(getattr(old.spec, found[1]))


def _displaced(old: Manifest, new: Manifest) -> Iterator[tuple[str, str]]:
    """Experts and tasks that do not stand where they stood, with what to say of each."""
    for field in ("experts", "tasks"):
        names = [element.name for element in getattr(new.spec, field)]
        for place, element in enumerate(getattr(old.spec, field)):
            if names[place : place + 1] != [element.name]:
                found = f"says {names[place]!r}" if place < len(names) else "has none there"
                path = f"spec.{field}[{place}]"
                yield (
                    path,
                    (
                        f"{path}.name: the run in the store has {element.name!r}, the manifest "
                        f"{found}; restore the {field} of the run in their order and append new "
                        "ones at the end, or choose another --store for a new run"
                    ),
                )


def check_continuation(old: Manifest, new: Manifest) -> None:
    """Check that a manifest may continue the run that a store holds.

    Experts and tasks may be appended, and steps in which they join, and may retire; tasks may get
    other items.

    Raises:
        RunMismatch: one line for each field that may not change, with both values; one for each
            expert or task that does not stand where it stood.
    """
    displaced = dict(_displaced(old, new))
    problems = [*displaced.values()]
    for path, before, after in differences(old, new):
        if any(_within(path, element) for element in displaced):
            continue
        mark = mark_of(path)
        if mark not in DECISIVE or (mark is Change.RAISED and after > before):
            continue
        if _is_appended(path, old) or (mark is Change.SET and after is True):
            continue
        if mark is Change.RAISED:
            problems.append(
                f"{path}: the run in the store is planned for {before}, the manifest says {after}; "
                f"it may only be raised: write {before} or more, or choose another --store"
            )
        else:
            problems.append(
                f"{path}: the run in the store has {shown_value(before)}, the manifest says "
                f"{shown_value(after)}; restore the value, or choose another --store for a new run"
            )
    if problems:
        raise RunMismatch("\n".join(problems))
