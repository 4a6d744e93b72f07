"""Reading a dataset: JSONL, one object a line, checked as a whole before a run starts.

Problems are collected, so that one look is enough to mend a file. Each names the line, the field,
what is wrong and what would be right.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cycleqd.errors import DatasetError

_SHOWN = 20

Check = Callable[[object], str | None]
"""Looks at a field's value; what is wrong with it and what would be right, or None."""


@dataclass(frozen=True)
class Field:
    """One field of an item.

    Attributes:
        name: its key.
        check: tells what is wrong with a value.
        required: whether every item must have it.
    """

    name: str
    check: Check
    required: bool = True


@dataclass(frozen=True)
class Item:
    """One checked item of a dataset.

    Attributes:
        fields: its values by name; only fields that the task's type knows.
    """

    fields: Mapping[str, Any]

    def text(self, name: str) -> str:
        """A text field, empty when the item does not have it."""
        value = self.fields.get(name, "")
        assert isinstance(value, str)
        return value


@dataclass(frozen=True)
class Dataset:
    """The items of a file.

    Attributes:
        items: in the file's order.
        digest: SHA-256 of the file's bytes, in hexadecimal.
    """

    items: tuple[Item, ...]
    digest: str


def text(value: object) -> str | None:
    """A text that is not empty."""
    if isinstance(value, str) and value.strip():
        return None
    return f"must be a text that is not empty, not {_shown(value)}"


def any_text(value: object) -> str | None:
    """A text, possibly empty."""
    return None if isinstance(value, str) else f"must be a text, not {_shown(value)}"


def flag(value: object) -> str | None:
    """True or false."""
    return None if isinstance(value, bool) else f"must be true or false, not {_shown(value)}"


COMMON = (Field("id", text), Field("prompt", text))


def read_items(path: Path, fields: Sequence[Field], *, limit: int | None = None) -> Dataset:
    """Read and check all lines of ``path``; the first ``limit`` items are returned.

    Raises:
        DatasetError: the file cannot be read or is empty, or some lines are not items; one problem
            a line, the first 20.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(
            f"{path}: cannot be read: {error.strerror}; give a JSONL file"
        ) from error
    problems: list[str] = []
    items: list[Item] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        item = _item(line, (*COMMON, *fields), f"{path}:{number}", problems)
        if item is None:
            continue
        earlier = seen.setdefault(item.text("id"), number)
        if earlier != number:
            problems.append(
                f"{path}:{number}: id: {item.text('id')!r} is that of line {earlier};"
                " give every item an id of its own"
            )
        items.append(item)
    if not items and not problems:
        problems.append(f"{path}: holds no item; write one JSON object a line")
    if problems:
        left = len(problems) - _SHOWN
        more = [f"{path}: and {left} more"] if left > 0 else []
        raise DatasetError("\n".join([*problems[:_SHOWN], *more]))
    return Dataset(tuple(items[:limit]), hashlib.sha256(data).hexdigest())


def _item(line: bytes, fields: Sequence[Field], where: str, problems: list[str]) -> Item | None:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError) as error:
        problems.append(f"{where}: is not JSON ({error}); write one JSON object a line")
        return None
    if not isinstance(document, dict):
        problems.append(f"{where}: must be an object such as {{...}}, not {_shown(document)}")
        return None
    before = len(problems)
    for known in fields:
        if known.name not in document:
            if known.required:
                problems.append(f"{where}: {known.name}: is missing; add it to this item")
            continue
        wrong = known.check(document[known.name])
        if wrong is not None:
            problems.append(f"{where}: {known.name}: {wrong}")
    if len(problems) > before:
        return None
    names = {known.name for known in fields}
    return Item({name: value for name, value in document.items() if name in names})


def _shown(value: object) -> str:
    shown = json.dumps(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
