"""Reading a dataset: a file of items, in any form that its type of task takes, checked as a whole.

Problems are collected, so that one look is enough to mend a file. Each names the file, the line,
the field, what is wrong and what would be right.

A run stores JSON Lines with the fields of the type alone, and names the items by their digest: the
file's own bytes where it is that already, else the canonical text made here. So neither a
compressor's version nor the order of a table's columns is part of a run's identity, and a worker
reads what it is given without pyarrow or the dataset's folder.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cycleqd.errors import DatasetError
from cycleqd.evaluation.tasks.databases import Databases
from cycleqd.evaluation.tasks.form import Form, Unusable, form_of, identifier_of
from cycleqd.evaluation.tasks.items import COMMON, Field, Item
from cycleqd.evaluation.tasks.rows import Row, read_rows
from cycleqd.evaluation.tasks.skill import Skill

_SHOWN = 20


@dataclass(frozen=True)
class Dataset:
    """The items of a file.

    Attributes:
        items: in the file's order, as many as were asked for.
        places: how problems name the row that each item was, ``items.jsonl:3``.
        count: number of all items of the file.
        content: what a run stores of them, JSON Lines.
        digest: SHA-256 of the content, in hexadecimal.
        format: what the file is.
        forms: number of items by the name of the form they are published in; those in the type's
            own fields are not counted.
        solutions: for each item a completion that solves it, None where the file tells none.
        files: what the items need beside their fields, by SHA-256.
    """

    items: tuple[Item, ...]
    places: tuple[str, ...]
    count: int
    content: bytes
    digest: str
    format: str
    forms: Mapping[str, int]
    solutions: tuple[str | None, ...]
    files: Mapping[str, Path]


@dataclass(frozen=True)
class _Read:
    """A row that became an item.

    Attributes:
        fields: the item's.
        place: how problems name the row.
        form: the form that the row had.
        solution: a completion that solves it.
        own: whether the row's fields are the item's as they stand.
    """

    fields: dict[str, Any]
    place: str
    form: Form
    solution: str | None
    own: bool


def read_items(
    path: Path,
    skill: Skill[Any],
    *,
    limit: int | None = None,
    name: str | None = None,
    databases: Databases | None = None,
) -> Dataset:
    """Read and check all rows of ``path``; the first ``limit`` items are returned.

    Args:
        path: the file.
        skill: the type of task that they are for.
        limit: how many to return, None for all.
        name: what problems call the file; its path when absent.
        databases: finds what items need beside the file; where absent, such files are not looked
            for and published rows that need them cannot be read.

    Raises:
        DatasetError: the file cannot be read or is empty, or some rows are not items; one problem
            a line, the first 20.
        InputError: what reads such files is not installed.
    """
    name = str(path) if name is None else name
    rows = read_rows(path, name)
    reader = _Reader(skill, databases, loose=rows.format == "CSV")
    for row in rows.found:
        reader.take(row)
    found, problems = reader.read, reader.problems
    if not found and not problems:
        problems.append(f"{name}: holds no item; write one JSON object a line")
    if problems:
        # A line break of somebody else's message would look like a problem of its own.
        problems = [" ".join(problem.splitlines()) for problem in problems]
        left = len(problems) - _SHOWN
        more = [f"{name}: and {left} more"] if left > 0 else []
        raise DatasetError("\n".join([*problems[:_SHOWN], *more]))
    content = rows.lines
    if content is None or not all(item.own for item in found):
        content = b"".join(_canonical_line(item.fields) for item in found)
    files: dict[str, Path] = {}
    if databases is not None:
        wanted = {digest for item in found for digest in skill.files(item.fields).values()}
        files = {digest: databases.stored(digest) for digest in sorted(wanted)}
    return Dataset(
        items=tuple(_item(item.fields, skill, files) for item in found[:limit]),
        places=tuple(item.place for item in found[:limit]),
        count=len(found),
        content=content,
        digest=hashlib.sha256(content).hexdigest(),
        format=rows.described,
        forms=dict(Counter(item.form.name for item in found if item.form is not reader.own)),
        solutions=tuple(item.solution for item in found[:limit]),
        files=files,
    )


def _canonical_line(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode("ascii") + b"\n"


def _item(fields: Mapping[str, Any], skill: Skill[Any], files: Mapping[str, Path]) -> Item:
    wanted = skill.files(fields)
    return Item(fields, {name: files[key] for name, key in wanted.items() if key in files})


class _Reader:
    """Makes items of rows one by one.

    Attributes:
        own: the form with the fields of the type itself.
        read: the items so far.
        problems: what is wrong with the other rows, one line each.

    Args:
        skill: the type of task that the items are for.
        databases: finds what items need beside the file.
        loose: every value is a text, as in CSV: what should be something else is written as JSON,
            and an empty text is no value where a field may be absent.
    """

    def __init__(self, skill: Skill[Any], databases: Databases | None, *, loose: bool) -> None:
        self._skill = skill
        self.own = Form("own", (*COMMON, *skill.fields), lambda row: row)
        self.read: list[_Read] = []
        self.problems: list[str] = []
        self._published = skill.forms(databases)
        self._loose = loose
        self._places: dict[str, str] = {}

    def take(self, row: Row | str) -> None:
        """Make an item of a row; a text is a problem found before."""
        if isinstance(row, str):
            self.problems.append(row)
            return
        form = form_of(row.fields, self.own, self._published)
        before = len(self.problems)
        fields = dict(self._checked(row, form.fields))
        if form is self.own and (wrong := self._skill.incomplete(row.fields)) is not None:
            self._blame(row, *wrong)
        if len(self.problems) > before:
            return
        item = fields
        if form is not self.own:
            name = identifier_of(row.fields, len(self.read))
            try:
                item = {"id": name, **form.convert(fields)}
            except Unusable as error:
                self.problems.append(f"{row.place}: {error.field}: {error.problem}")
                return
            item = dict(self._checked(Row(row.place, item), self.own.fields))
            if len(self.problems) > before:
                return
        earlier = self._places.setdefault(item["id"], row.place)
        if earlier != row.place:
            self.problems.append(
                f"{row.place}: id: {item['id']!r} is that of {_short(earlier)};"
                " give every item an id of its own"
            )
        own = form is self.own and item == {name: row.fields[name] for name in item}
        self.read.append(_Read(item, row.place, form, form.solution(fields), own))

    def _checked(self, row: Row, fields: Sequence[Field]) -> Iterator[tuple[str, Any]]:
        """The fields of a row that are known and right, and problems with the others."""
        for known in fields:
            value = row.fields.get(known.name)
            absent = known.name not in row.fields
            if absent or (self._loose and not known.required and value == ""):
                if known.required:
                    self._blame(row, known.name, "is missing; add it to this item")
                continue
            wrong = _wrong(value, known)
            if wrong is not None and self._loose and isinstance(value, str):
                value, wrong = _from_json(value, known, wrong)
            if wrong is None:
                yield known.name, known.read(value)
            else:
                self._blame(row, known.name, wrong)

    def _blame(self, row: Row, field: str, problem: str) -> None:
        self.problems.append(f"{row.place}: {field}: {problem}")


def _from_json(value: str, known: Field, wrong: str) -> tuple[Any, str | None]:
    """What a text says as JSON, if that is what the field needs."""
    try:
        document = json.loads(value)
    except (ValueError, RecursionError):
        return value, wrong
    return (document, None) if _wrong(document, known) is None else (value, wrong)


def _wrong(value: object, known: Field) -> str | None:
    return known.characters(value) or known.check(value)


def _short(place: str) -> str:
    """``line 3`` for ``items.jsonl:3``; other places as they are."""
    number = place.rpartition(":")[2]
    return f"line {number}" if number.isdecimal() else place
