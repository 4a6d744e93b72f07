"""``sql``: the answer is SQL; the rows it returns, or leaves in the tables, decide.

`cycleqd.evaluation.tasks.sql_rows` says when rows are equal.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, ClassVar

from cycleqd.errors import DatasetError
from cycleqd.evaluation.sandbox import Limits, Program, Report, Sandbox, SqlProgram
from cycleqd.evaluation.tasks.databases import Databases
from cycleqd.evaluation.tasks.form import Form
from cycleqd.evaluation.tasks.items import Field, Item, flag, shown, text
from cycleqd.evaluation.tasks.skill import ProgramSkill
from cycleqd.evaluation.tasks.sql_forms import sql_forms
from cycleqd.evaluation.tasks.sql_rows import Row, matching_columns, same_rows
from cycleqd.manifest.values import Model, Uri

_MOST_ROWS = 10_000
_MOST_RIGHT_ROWS = 1_000_000
_MOST_BYTES = 64 << 20
_TIME = re.compile(r"current_|\b(date|time|datetime|julianday|unixepoch|strftime)\b", re.IGNORECASE)
"""What may make a query return something else at another time."""


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


def _database(value: object) -> str | None:
    if not isinstance(value, Mapping):
        return _script(value)
    digest = value.get("sha256")
    if set(value) == {"name", "sha256"} and re.fullmatch("[0-9a-f]{64}", str(digest)):
        return None
    return f"must be an SQL script, or name and sha256 of a stored file, not {shown(value)}"


def _rows(value: object) -> str | None:
    if isinstance(value, list) and all(
        isinstance(row, list)
        and all(cell is None or isinstance(cell, str | int | float) for cell in row)
        for row in value
    ):
        return None
    return "must be a list of rows, each a list of texts, numbers, booleans or nulls"


class SqlSettings(Model):
    """Where published items find their databases."""

    databases: Uri | None = None
    """Folder with the SQLite files of items that name their database, ``<name>/<name>.sqlite`` or
    ``<name>.sqlite``: a local path or ``s3://bucket/prefix``. When absent, ``database``,
    ``dev_databases`` and the like beside the items, and the folder of the items itself."""


class SqlSkill(ProgramSkill[SqlSettings]):
    """Runs the answer on the item's database and compares rows.

    The right rows stand in the item, or are what its own query returns.
    """

    name = "sql"
    summary = "compares rows on SQLite"
    settings_model = SqlSettings
    settings_written: ClassVar = False
    fields = (
        Field("database", _database),
        Field("rows", _rows, required=False),
        Field("query", text, required=False),
        Field("ordered", flag, required=False),
        Field("as_set", flag, required=False),
        Field("any_columns", flag, required=False),
        Field("check", text, required=False),
    )

    def __init__(self, settings: SqlSettings) -> None:
        super().__init__(settings)
        self._known: dict[tuple[str, str], tuple[Row, ...]] = {}

    def forms(self, databases: Databases | None) -> tuple[Form, ...]:
        """Spider and BIRD."""
        return sql_forms(databases)

    def files(self, fields: Mapping[str, Any]) -> Mapping[str, str]:
        """The database, where it is a file."""
        database = fields["database"]
        return {"database": database["sha256"]} if isinstance(database, Mapping) else {}

    @property
    def database_folder(self) -> str | None:
        """See `SqlSettings`."""
        return self.settings.databases

    def incomplete(self, fields: Mapping[str, Any]) -> tuple[str, str] | None:
        """An item has either the right rows or a query for them."""
        if ("rows" in fields) == ("query" in fields):
            return "rows", "is missing; add it to this item" if "rows" not in fields else (
                "stands beside query; keep one of the two"
            )
        return None

    def program(self, item: Item, answer: str, limits: Limits) -> Program:
        """The database, the answer, and the query that looks at the result."""
        rows = item.fields.get("rows", ())
        most = max(_MOST_ROWS, 2 * len(rows))
        room = max(limits.output_bytes, 2 * len(json.dumps(rows)) if rows else 0)
        return self._program(item, answer, replace(limits, output_bytes=room), most)

    def _program(self, item: Item, code: str, limits: Limits, most_rows: int) -> SqlProgram:
        file = item.files.get("database")
        check = item.text("check") or None
        if file is None:
            return SqlProgram(item.text("database"), code, check, limits, most_rows=most_rows)
        return SqlProgram("", code, check, limits, str(file), most_rows)

    def judge(
        self, items: Sequence[Item], answers: Sequence[str], sandbox: Sandbox, limits: Limits
    ) -> list[bool]:
        """Run the items' own queries, where they have one, then the answers, and compare.

        Raises:
            DatasetError: an item's own query does not come to its end.
        """
        right = self._right_rows(
            [item for item in items if "query" in item.fields], sandbox, limits
        )
        complete = [
            replace(item, fields={**item.fields, "rows": right[item.text("id")]})
            if item.text("id") in right
            else item
            for item in items
        ]
        return super().judge(complete, answers, sandbox, limits)

    def _right_rows(
        self, items: Sequence[Item], sandbox: Sandbox, limits: Limits
    ) -> dict[str, tuple[Row, ...]]:
        """What the items' own queries return, by the items' ids."""
        keys = {
            item.text("id"): (str(item.fields["database"]), item.text("query")) for item in items
        }
        asking = {keys[item.text("id")]: item for item in items}
        asking = {key: item for key, item in asking.items() if key not in self._known}
        reports = sandbox.run([self._reference(item, limits) for item in asking.values()])
        found = dict(self._known)
        for (key, item), report in zip(asking.items(), reports, strict=True):
            if report.status != "passed":
                raise DatasetError(
                    f"item {item.text('id')}: its own query ended as {report.status} "
                    f"({report.detail}); raise timeoutSeconds or evaluation.memoryLimitMib, or "
                    "take the item out"
                )
            found[key] = report.rows
            if not _TIME.search(item.text("query")):
                self._known[key] = report.rows
        return {name: found[key] for name, key in keys.items()}

    def _reference(self, item: Item, limits: Limits) -> SqlProgram:
        """The item's own query, with ten times the limits: it must come to its end."""
        wide = replace(
            limits,
            cpu_seconds=10 * limits.cpu_seconds,
            wall_seconds=10 * limits.wall_seconds,
            output_bytes=_MOST_BYTES,
        )
        return self._program(item, item.text("query"), wide, _MOST_RIGHT_ROWS)

    def solved(self, item: Item, report: Report) -> bool:
        """Whether the rows are those of the item."""
        right, found = item.fields["rows"], report.rows
        if item.fields.get("as_set", False):
            right, found = tuple(dict.fromkeys(map(tuple, right))), tuple(dict.fromkeys(found))
        ordered = bool(item.fields.get("ordered", False))
        if not item.fields.get("any_columns", False):
            return same_rows(right, found, ordered=ordered)
        return any(
            same_rows(right, [[row[place] for place in places] for row in found], ordered=ordered)
            for places in matching_columns(right, found)
        )
