"""A place in a document that may have faults: what stands there, what is expected, its path.

The rules between fields walk over the document as written by these, so that a rule works beside
fields that are themselves wrong.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from cycleqd.manifest.problems import path_of
from cycleqd.manifest.schema import manifest_schema
from cycleqd.manifest.values import DECIMAL_FORMAT, DECIMAL_PATTERN

_SCHEMA = manifest_schema()


@dataclass(frozen=True)
class Part:
    """A place in the document; values of a wrong type read as absent.

    Attributes:
        raw: what the user wrote there, None where nothing stands.
        schema: what is expected there.
        location: the way to it from the document's root.
    """

    raw: Any
    schema: dict[str, Any]
    location: tuple[str | int, ...]

    @property
    def path(self) -> str:
        """The place in document spelling."""
        return path_of(self.location)

    def part(self, name: str) -> Part:
        """The field ``name`` of a mapping."""
        inside = self.raw.get(name) if isinstance(self.raw, dict) else None
        return Part(inside, self.schema["properties"][name], (*self.location, name))

    def at(self, path: str) -> Part:
        """The field at a path such as ``crossover.granularity``."""
        part = self
        for name in path.split("."):
            part = part.part(name)
        return part

    def parts(self, name: str) -> list[Part]:
        """The elements of the list ``name``."""
        field = self.part(name)
        elements = field.raw if isinstance(field.raw, tuple) else ()
        return [
            Part(element, field.schema["items"], (*field.location, index))
            for index, element in enumerate(elements)
        ]

    @property
    def text(self) -> str | None:
        """The text that stands here or is the default."""
        value = self.schema.get("default") if self.raw is None else self.raw
        return value if isinstance(value, str) else None

    @property
    def number(self) -> float | None:
        """The number that stands here, quoted or not, or is the default."""
        return self._number(self.schema.get("default") if self.raw is None else self.raw)

    def _number(self, value: object) -> float | None:
        if isinstance(value, str) and self.schema.get("format") == DECIMAL_FORMAT:
            return float(value) if re.fullmatch(DECIMAL_PATTERN, value) else None
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None

    @property
    def changed(self) -> bool:
        """Whether the user wrote a text or number that is not the default."""
        default = self.schema.get("default")
        if self.schema.get("format") == DECIMAL_FORMAT:
            number = self._number(self.raw)
            return number is not None and number != self._number(default)
        return isinstance(self.raw, str | int | float) and self.raw != default


def whole(document: dict[str, Any]) -> Part:
    """The document itself."""
    return Part(document, _SCHEMA, ())
