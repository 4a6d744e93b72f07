"""How deep and how large a document may be, so that every walk over it ends well.

A pod template is kept as it was written, so no schema bounds it: the API server stores 10,000
levels, of which Python's parsers, copies and writers can walk a few hundred.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from cycleqd.errors import ManifestError
from cycleqd.manifest.problems import path_of

MAX_LEVELS = 64
"""Levels of a document; real pod templates have about a dozen."""

MAX_VALUES = 100_000
"""Values of a document, mappings and lists among them."""

MAX_TEMPLATE_BYTES = 32_768
"""Size of a pod template's spec as JSON; real ones take 2,000 to 10,000 bytes.

Parsed, a template of small values takes thirty times its size, and the operator holds those of all
its tenants.
"""

TEMPLATES = ("workers", "coordinator")
"""Parts of a run's spec that hold a pod template."""

_STEPS = 8


def too_deep(location: Sequence[str | int]) -> str:
    """What is said of a place below `MAX_LEVELS`, beginning with the field that leads to it."""
    return (
        f"{_field(location)}: nested more than {MAX_LEVELS} levels deep, which no run needs; remove"
        " what is too deep"
    )


def too_large(location: Sequence[str | int]) -> str:
    """What is said of the place where a document has more than `MAX_VALUES`."""
    return (
        f"{_field(location)}: the document has more than {MAX_VALUES} values up to here, which no"
        " run needs; shorten it"
    )


def template_problems(spec: object) -> list[str]:
    """Pod templates that are too large, one line each.

    Args:
        spec: of a run, as JSON data of any form but no deeper than a document may be.
    """
    problems = []
    for part in TEMPLATES:
        value = spec
        for key in (part, "template", "spec"):
            value = value.get(key) if isinstance(value, Mapping) else None
        size = json_bytes(value)
        if size > MAX_TEMPLATE_BYTES:
            problems.append(
                f"spec.{part}.template.spec: takes {size} bytes as JSON, expected at most"
                f" {MAX_TEMPLATE_BYTES}; move what is large into a ConfigMap and mount it"
            )
    return problems


def json_bytes(value: object) -> int:
    """Size of JSON data as the text that the coordinator is given."""
    return len(json.dumps(value, default=str))


def _field(location: Sequence[str | int]) -> str:
    """The path of a place, short however deep the place and long its keys."""
    steps = [step if isinstance(step, int) else step[:40] for step in location[:_STEPS]]
    return path_of(steps) or "the document"


class BoundedCopy:
    """JSON data as a document gives it: lists are tuples, mappings are copied."""

    def __init__(self) -> None:
        self._values = 0

    def of(self, value: object, *location: str | int) -> object:
        """The copy of a value.

        Args:
            value: JSON data.
            location: where it stands in the document.

        Raises:
            ManifestError: it is too deep or too large.
        """
        self._values += 1
        if len(location) > MAX_LEVELS:
            raise ManifestError([too_deep(location)])
        if self._values > MAX_VALUES:
            raise ManifestError([too_large(location)])
        if isinstance(value, Mapping):
            return {key: self.of(part, *location, key) for key, part in value.items()}
        if isinstance(value, list | tuple):
            return tuple(self.of(part, *location, index) for index, part in enumerate(value))
        return value
