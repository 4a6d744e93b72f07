"""How deep and how large a document may be, so that every walk over it ends well.

A pod template is kept as it was written, so no schema bounds it: the API server stores 10,000
levels, of which Python's parsers, copies and writers can walk a few hundred.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cycleqd.errors import ManifestError
from cycleqd.manifest.problems import path_of

MAX_LEVELS = 64
"""Levels of a document; real pod templates have about a dozen."""

MAX_VALUES = 100_000
"""Values of a document, mappings and lists among them."""

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
