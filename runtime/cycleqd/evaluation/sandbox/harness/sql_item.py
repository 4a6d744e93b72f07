"""An SQL program: generated statements on an SQLite database in memory, or in a file.

SQL reaches no Python, so what this module reports is to be believed. SQLite itself is kept from
files (ATTACH, VACUUM INTO, extensions), from settings (PRAGMA) and from chance (``random``), so
that a verdict means the same everywhere. The check runs on a connection of its own, with a copy of
the database as the answer left it: temporary tables, views and triggers of the answer, which would
take the place of the tables of the same name, do not exist there.

A file is opened so that SQLite neither writes nor locks it. It may be large, so that more steps are
allowed there.

The number of virtual machine steps is limited beside the time, for verdicts that do not depend on
how fast the machine is.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from cycleqd.evaluation.sandbox.programs import DATABASE, Ended, Report, SqlProgram

if TYPE_CHECKING:
    from cycleqd.evaluation.sandbox.harness.child import Ends

FAILED = 1
LIMIT = 3

_SECRET_BYTES = 32
_STEPS_BETWEEN_CHECKS = 10_000
_CHECKS = 10_000
_CHECKS_OF_FILES = 100_000
_FORBIDDEN = {sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH, sqlite3.SQLITE_PRAGMA}
_FORBIDDEN_FUNCTIONS = {"random", "randomblob", "load_extension"}


def run(program: SqlProgram, ends: Ends, _folder: str, _temporary: str) -> NoReturn:
    """Run the program and send the secret and its rows as JSON back."""
    try:
        rows = _rows(program)
    except (sqlite3.Error, sqlite3.Warning, MemoryError, OverflowError, ValueError):
        os._exit(FAILED)
    if rows is None:
        os._exit(LIMIT)
    try:
        text = json.dumps([[_cell(value) for value in row] for row in rows]).encode()
    except MemoryError:
        os._exit(LIMIT)
    if len(text) > program.limits.output_bytes:
        os._exit(LIMIT)
    message = os.read(ends.secret, _SECRET_BYTES) + text
    while message:
        message = message[os.write(ends.report, message) :]
    os._exit(0)


def report(_program: SqlProgram, ended: Ended) -> Report:
    """The rows, if the secret came with them."""
    if ended.code == LIMIT:
        return Report("limit", "more rows than allowed")
    if ended.code != 0 or not ended.sent.startswith(ended.secret):
        return Report("failed", f"exit code {ended.code}")
    rows = json.loads(ended.sent[len(ended.secret) :])
    return Report("passed", rows=tuple(tuple(row) for row in rows))


def _rows(program: SqlProgram) -> list[tuple[Any, ...]] | None:
    """The rows of the last generated statement that has any, or of the check; None for too many."""
    budget = iter(range(_CHECKS if program.file is None else _CHECKS_OF_FILES))
    connection = _prepared(program)
    _restrict(connection, budget)
    rows: list[tuple[Any, ...]] = []
    for statement in statements(program.code):
        cursor = connection.execute(statement)
        if cursor.description is not None:
            rows = cursor.fetchmany(program.most_rows + 1)
            if len(rows) > program.most_rows:
                return None
            cursor.close()
    if program.check is not None:
        if connection.in_transaction:
            connection.execute("COMMIT")
        checking = _prepared(program)
        if checking.in_transaction:
            checking.execute("COMMIT")
        if program.file is None:
            connection.backup(checking)
        connection.close()
        _restrict(checking, budget)
        rows = checking.execute(program.check).fetchmany(program.most_rows + 1)
    return rows if len(rows) <= program.most_rows else None


def _prepared(program: SqlProgram) -> sqlite3.Connection:
    """A connection with the file, or a database in memory that the trusted script has made."""
    if program.file is not None:
        return opened(DATABASE)
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.text_factory = _decoded
    connection.executescript(program.database)
    return connection


def opened(path: str) -> sqlite3.Connection:
    """A connection to a file that is only read.

    Raises:
        sqlite3.Error: it is no database.
    """
    place = "".join(f"%{byte:02x}" for byte in os.fsencode(path))
    connection = sqlite3.connect(
        f"file:{place}?mode=ro&immutable=1", uri=True, isolation_level=None
    )
    connection.text_factory = _decoded
    # Sorting may need more than the program's small folder holds.
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _restrict(connection: sqlite3.Connection, budget: Iterator[int]) -> None:
    """Keep what follows to the database, and to what is left of the budget."""
    connection.set_progress_handler(lambda: next(budget, None) is None, _STEPS_BETWEEN_CHECKS)
    connection.set_authorizer(authorize)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 4 << 20)


def statements(script: str) -> Iterator[str]:
    """The statements of a script, split where SQLite itself would split."""
    rest = script.strip()
    start = 0
    while True:
        end = rest.find(";", start)
        if end < 0:
            break
        if sqlite3.complete_statement(rest[: end + 1]):
            yield rest[: end + 1]
            rest, start = rest[end + 1 :].lstrip(), 0
        else:
            start = end + 1
    if rest:
        yield rest


def authorize(action: int, _first: str | None, second: str | None, *_rest: str | None) -> int:
    """What SQLite asks before it prepares a statement."""
    if action in _FORBIDDEN:
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in _FORBIDDEN_FUNCTIONS:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def _cell(value: object) -> str | int | float | None:
    if isinstance(value, bytes):
        return f"X'{value.hex().upper()}'"
    if value is None or isinstance(value, str | int | float):
        return value
    return str(value)
