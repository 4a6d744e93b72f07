"""What an item is: its fields, how each is checked, and which texts can be used at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Check = Callable[[object], str | None]
"""Looks at a field's value; what is wrong with it and what would be right, or None."""


def _unchanged(value: object) -> object:
    return value


def unusable(value: object) -> str | None:
    """What is wrong with the characters of a value, however deep they stand in it.

    No text with them can be written to a store or given to a program, so they are refused before
    anything runs.
    """
    for part in _texts(value):
        if "\0" in part:
            place = part.index("\0")
            return f"holds a NUL character (character {place + 1}); remove it"
    return no_text(value)


def no_text(value: object) -> str | None:
    """What of a value is no text: halves of characters, which no completion ever holds."""
    for part in _texts(value):
        try:
            part.encode()
        except UnicodeEncodeError as error:
            surrogate = f"\\u{ord(part[error.start]):04x}"
            return (
                f"holds half of a surrogate pair ({surrogate}, character {error.start + 1}), which "
                "is no text; write the whole character, or remove it"
            )
    return None


def anything(_value: object) -> str | None:
    """Nothing is wrong, whatever it holds."""
    return None


def _texts(value: object) -> Iterator[str]:
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            yield part
        elif isinstance(part, Mapping):
            waiting += [*part.values(), *part.keys()]
        elif isinstance(part, list | tuple):
            waiting += part


@dataclass(frozen=True)
class Field:
    """One field of an item.

    Attributes:
        name: its key.
        check: tells what is wrong with a value.
        required: whether every item must have it.
        read: makes of a value that passed the one that the item has.
        characters: tells which characters of its texts cannot be used: fewer are where texts are
            only compared, or written with escapes wherever they go.
    """

    name: str
    check: Check
    required: bool = True
    read: Callable[[Any], object] = _unchanged
    characters: Check = unusable


@dataclass(frozen=True)
class Item:
    """One checked item of a dataset.

    Attributes:
        fields: its values by name; only fields that the task's type knows.
        files: local files that belong to it, by the name of the field that speaks of them.
    """

    fields: Mapping[str, Any]
    files: Mapping[str, Path] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """A text field, empty when the item does not have it."""
        value = self.fields.get(name, "")
        assert isinstance(value, str)
        return value


def text(value: object) -> str | None:
    """A text that is not empty."""
    if isinstance(value, str) and value.strip():
        return None
    return f"must be a text that is not empty, not {shown(value)}"


def any_text(value: object) -> str | None:
    """A text, possibly empty."""
    return None if isinstance(value, str) else f"must be a text, not {shown(value)}"


def texts(value: object) -> str | None:
    """A list of texts, possibly empty ones."""
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return None
    return f"must be a list of texts, not {shown(value)}"


def flag(value: object) -> str | None:
    """True or false."""
    return None if isinstance(value, bool) else f"must be true or false, not {shown(value)}"


def identifier(value: object) -> str | None:
    """A text that is not empty, or a whole number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return None
    wrong = text(value)
    return wrong and f"must be a text that is not empty, or a whole number, not {shown(value)}"


COMMON = (Field("id", identifier, read=str), Field("prompt", text))


def shown(value: object) -> str:
    """A value as problems show it, in one line and not too long."""
    text = json.dumps(value, default=repr)
    return text if len(text) <= 60 else f"{text[:57]}..."
