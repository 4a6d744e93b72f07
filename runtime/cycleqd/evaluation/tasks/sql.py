"""``sql``: the answer is SQL; the rows it returns, or leaves in the tables, decide.

Rows are compared as a multiset unless the item says ``ordered``. Names of columns do not matter,
their number and order do. Cells are equal when both are NULL, or equal texts, or numbers that
differ by at most one part in a million (an integer equals a float of the same value; two integers
must be equal). Blobs are texts of the form ``X'00FF'``.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from cycleqd.evaluation.sandbox import Limits, Program, Report, SqlProgram
from cycleqd.evaluation.tasks.items import Field, Item, flag, text
from cycleqd.evaluation.tasks.skill import ProgramSkill

_TOLERANCE = 1e-6
_PAIRWISE = 200

Cell = str | int | float | None
Row = Sequence[Cell]


def _script(value: object) -> str | None:
    wrong = text(value)
    return wrong if wrong is not None else _runs(value)


@lru_cache(maxsize=64)
def _runs(script: str) -> str | None:
    connection = sqlite3.connect(":memory:")
    try:
        connection.executescript(script)
    except sqlite3.Error as error:
        return f"must be an SQL script that runs on an empty SQLite database ({error})"
    finally:
        connection.close()
    return None


def _rows(value: object) -> str | None:
    if isinstance(value, list) and all(
        isinstance(row, list)
        and all(cell is None or isinstance(cell, str | int | float) for cell in row)
        for row in value
    ):
        return None
    return "must be a list of rows, each a list of texts, numbers, booleans or nulls"


class SqlSkill(ProgramSkill[None]):
    """Runs the answer on the item's database and compares rows."""

    name = "sql"
    summary = "compares rows on SQLite"
    fields = (
        Field("database", _script),
        Field("rows", _rows),
        Field("ordered", flag, required=False),
        Field("check", text, required=False),
    )

    def program(self, item: Item, answer: str, limits: Limits) -> Program:
        """The database, the answer, and the query that looks at the result."""
        check = item.text("check") or None
        return SqlProgram(item.text("database"), answer, check, limits)

    def solved(self, item: Item, report: Report) -> bool:
        """Whether the rows are those of the item."""
        ordered = bool(item.fields.get("ordered", False))
        return same_rows(item.fields["rows"], report.rows, ordered=ordered)


def same_rows(expected: Sequence[Row], found: Sequence[Row], *, ordered: bool) -> bool:
    """Whether two results are equal under the rules of this module."""
    if len(expected) != len(found):
        return False
    if ordered:
        return all(_same(left, right) for left, right in zip(expected, found, strict=True))
    # Rows can only be equal if everything in them that is not a number is.
    groups: defaultdict[tuple[Any, ...], tuple[list[Row], list[Row]]]
    groups = defaultdict(lambda: ([], []))
    for side, rows in enumerate((expected, found)):
        for row in rows:
            groups[tuple("#" if _is_number(cell) else (cell,) for cell in row)][side].append(row)
    return all(_same_group(left, right) for left, right in groups.values())


def _same_group(left: list[Row], right: list[Row]) -> bool:
    """Whether two lists of rows that differ at most in numbers match in some order."""
    if len(left) != len(right):
        return False
    left, right = sorted(left, key=_numbers), sorted(right, key=_numbers)
    if all(_same(a, b) for a, b in zip(left, right, strict=True)):
        return True
    if len(left) > _PAIRWISE:
        return False
    # Numbers within the tolerance of each other may have sorted differently: match one by one.
    for row in left:
        match = next((i for i, other in enumerate(right) if _same(row, other)), None)
        if match is None:
            return False
        del right[match]
    return True


def _numbers(row: Row) -> tuple[float, ...]:
    return tuple(cell for cell in row if isinstance(cell, int | float))


def _same(left: Row, right: Row) -> bool:
    return len(left) == len(right) and all(
        _same_cell(a, b) for a, b in zip(left, right, strict=True)
    )


def _same_cell(left: Cell, right: Cell) -> bool:
    if isinstance(left, int) and isinstance(right, int):
        return left == right
    if isinstance(left, int | float) and isinstance(right, int | float):
        return left == right or abs(left - right) <= _TOLERANCE * max(1.0, abs(left), abs(right))
    return type(left) is type(right) and left == right


def _is_number(cell: Cell) -> bool:
    return isinstance(cell, int | float)
