"""API objects as the API server returns them: plain JSON, read through a few accessors.

Kubernetes objects come from a cache and go out as JSON; generated client classes would add a second
form of the same thing. What every module asks of an object (its name, its conditions, whether it is
on its way out) is asked here, so that an absent field is handled once.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]
"""An API object, or a part of one."""


def as_json(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """A copy of JSON-like data in which mappings are dicts and sequences are lists."""
    if isinstance(value, Mapping):
        return {key: as_json(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(part) for part in value]
    return value


def metadata(obj: Json) -> Json:
    """``metadata`` of an object."""
    found: Json = obj.get("metadata") or {}
    return found


def spec(obj: Json) -> Json:
    """``spec`` of an object."""
    found: Json = obj.get("spec") or {}
    return found


def status(obj: Json) -> Json:
    """``status`` of an object, empty before a controller wrote one."""
    found: Json = obj.get("status") or {}
    return found


def name(obj: Json) -> str:
    """``metadata.name``."""
    return str(metadata(obj).get("name", ""))


def namespace(obj: Json) -> str:
    """``metadata.namespace``."""
    return str(metadata(obj).get("namespace", "default"))


def uid(obj: Json) -> str:
    """``metadata.uid``."""
    return str(metadata(obj).get("uid", ""))


def labels(obj: Json) -> dict[str, str]:
    """``metadata.labels``."""
    found: dict[str, str] = metadata(obj).get("labels") or {}
    return found


def annotation(obj: Json, key: str) -> str:
    """One of ``metadata.annotations``, empty where it is not set."""
    return str((metadata(obj).get("annotations") or {}).get(key, ""))


def is_deleting(obj: Json) -> bool:
    """Whether the object was told to go."""
    return metadata(obj).get("deletionTimestamp") is not None


def condition(obj: Json, type_: str) -> Json | None:
    """The condition of that type in ``status.conditions``."""
    for found in status(obj).get("conditions") or ():
        if found.get("type") == type_:
            return dict(found)
    return None


def has_condition(obj: Json, type_: str) -> bool:
    """Whether the condition of that type is ``True``."""
    found = condition(obj, type_)
    return found is not None and found.get("status") == "True"


def parse_time(text: str | None) -> datetime | None:
    """An RFC 3339 time of the API, aware; None for an absent one."""
    return datetime.fromisoformat(text) if text else None


def format_time(moment: datetime) -> str:
    """``moment`` as the API writes times: UTC, whole seconds, ``Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def owner_uid(obj: Json) -> str:
    """The uid of the object's controller, empty without one."""
    for reference in metadata(obj).get("ownerReferences") or ():
        if reference.get("controller"):
            return str(reference.get("uid", ""))
    return ""
