"""What may change on a run, by the path where the rule stands: transition rules.

They say what `cycleqd.manifest.changes.check_continuation` would say, before the change is stored,
and follow from the marks at the manifest's fields (`cycleqd.manifest.mutability`). Of a list that
may be appended to the elements that are there stay, but for fields that may be renewed or set.
Whether what is new can join is for the coordinator to see, and told in the run's conditions.

A transition rule on an optional field would not see it come and go, so such fields are compared
from the mapping that holds them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cycleqd.manifest.changes import marks
from cycleqd.manifest.mutability import Change
from cycleqd.manifest.schema import manifest_schema
from cycleqd_operator.api.cel import Rule

_NEW_RUN = "apply the changed manifest as a new run under another name"
_SINCE = {
    Change.FIXED: "it decides what the candidates are",
    Change.PLACE: "the run lives there",
}
_RAISED = Rule(
    "self >= oldSelf",
    "may only be raised: generations that are committed stay",
    reason="FieldValueForbidden",
)
_SET = Rule(
    "self || !oldSelf",
    "may only be set: it holds for good; restore it, or append another under a new name",
    reason="FieldValueForbidden",
)
KEYS = {"spec.experts": "name", "spec.tasks": "name", "spec.curriculum": "generation"}
"""By list that may be appended to: what names its elements."""


def _immutable(mark: Change) -> Rule:
    return Rule(
        "self == oldSelf",
        f"is immutable, since {_SINCE[mark]}; restore it, or {_NEW_RUN}",
        reason="FieldValueForbidden",
    )


def _immutable_optional(mark: Change, field: str) -> Rule:
    return Rule(
        f"has(self.{field}) == has(oldSelf.{field})"
        f" && (!has(self.{field}) || self.{field} == oldSelf.{field})",
        f"is immutable, since {_SINCE[mark]}; restore it, or {_NEW_RUN}",
        f".{field}",
        reason="FieldValueForbidden",
    )


def _immutable_but(element: dict[str, Any], renewed: list[str]) -> Rule:
    """The rule of a list's elements of which some fields may change."""
    required = element.get("required", [])
    same = [
        f"self.{name} == oldSelf.{name}"
        if name in required
        else f"has(self.{name}) == has(oldSelf.{name})"
        f" && (!has(self.{name}) || self.{name} == oldSelf.{name})"
        for name in element["properties"]
        if name not in renewed
    ]
    others = " and ".join(renewed)
    return Rule(
        " && ".join(same),
        f"is immutable but for {others}, since {_SINCE[Change.FIXED]}; restore it, or {_NEW_RUN}",
        reason="FieldValueForbidden",
    )


def _append_only(what: str, key: str) -> Rule:
    return Rule(
        f"oldSelf.all(i, old, i < size(self) && self[i].{key} == old.{key})",
        f"is append-only: the {what} that were there must stay, in their order; restore them, or "
        f"{_NEW_RUN}",
        reason="FieldValueForbidden",
    )


def _rules(node: dict[str, Any], path: str) -> Iterator[tuple[str, Rule]]:
    """The rules of a mapping's fields, each with the path where it stands."""
    for name, part in node["properties"].items():
        field = f"{path}.{name}"
        below = {mark for other, mark in marks().items() if f"{other}.".startswith(f"{field}.")}
        match marks()[field]:
            case _ if len(below) > 1:
                yield from _rules(part, field)
            case Change.FIXED | Change.PLACE as mark if part.get("nullable"):
                yield path, _immutable_optional(mark, name)
            case Change.FIXED | Change.PLACE as mark:
                yield field, _immutable(mark)
            case Change.RAISED:
                yield field, _RAISED
            case Change.APPENDED:
                what = "steps" if name == "curriculum" else name
                yield field, _append_only(what, KEYS[field])
                yield from _of_elements(part["items"], f"{field}[]")


def _of_elements(element: dict[str, Any], path: str) -> Iterator[tuple[str, Rule]]:
    """The rules of a list's elements: whole, but for the fields that have a mark of their own."""
    own = [name for name in element["properties"] if f"{path}.{name}" in marks()]
    yield path, _immutable_but(element, own) if own else _immutable(Change.FIXED)
    for name in own:
        if marks()[f"{path}.{name}"] is Change.SET:
            yield f"{path}.{name}", _SET


def _by_path() -> dict[str, tuple[Rule, ...]]:
    found: dict[str, tuple[Rule, ...]] = {}
    for path, rule in _rules(manifest_schema()["properties"]["spec"], "spec"):
        found[path] = (*found.get(path, ()), rule)
    return found


MUTABILITY: dict[str, tuple[Rule, ...]] = _by_path()
"""Every rule about changes."""
