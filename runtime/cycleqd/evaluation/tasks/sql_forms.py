"""How questions to databases are published: Spider and BIRD.

The prompt shows the statements that made the tables, then the question. What is right is what the
row's own query returns when both run, as in the datasets' evaluations.
"""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

from cycleqd.evaluation.sandbox.harness.sql_item import authorize, opened, statements
from cycleqd.evaluation.tasks.databases import Databases
from cycleqd.evaluation.tasks.form import Fields, Form, Unusable
from cycleqd.evaluation.tasks.items import Field, any_text, text

_TABLES = """
SELECT sql FROM sqlite_master
WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY rowid
"""
_ORDERED = re.compile(r"\border\s+by\b", re.IGNORECASE)


class _Converter:
    """Makes items of rows.

    Args:
        databases: finds the rows' databases; without, no row can be read.
    """

    def __init__(self, databases: Databases | None) -> None:
        self._databases = databases
        self._schemas: dict[str, str] = {}

    def spider(self, row: Fields) -> Fields:
        """Columns may come in any order; rows too, unless the query orders them."""
        item = self._item(row, row["query"], "query", "")
        more = {"ordered": True} if _ORDERED.search(row["query"]) else {}
        return {**item, "any_columns": True, **more}

    def bird(self, row: Fields) -> Fields:
        """Rows are a set: neither order nor number counts."""
        return {**self._item(row, row["SQL"], "SQL", row.get("evidence", "")), "as_set": True}

    def _item(self, row: Fields, query: str, field: str, evidence: str) -> Fields:
        if self._databases is None:
            raise Unusable("db_id", "this command knows no databases; give the items themselves")
        digest = self._databases.named(row["db_id"])
        path = self._databases.stored(digest)
        if digest not in self._schemas:
            self._schemas[digest] = _schema(path)
        if wrong := problem_of(path, query):
            raise Unusable(field, wrong)
        hint = f"-- External knowledge: {_line(evidence)}\n" if evidence.strip() else ""
        return {
            "prompt": f"{self._schemas[digest]}\n\n-- Using valid SQLite, answer the following "
            f"question for the tables above.\n{hint}-- {_line(row['question'])}\n",
            "database": {"name": row["db_id"], "sha256": digest},
            "query": query,
        }


def _line(words: str) -> str:
    """Words on one line, so that they stay in their comment."""
    return " ".join(words.split())


def _schema(path: Path) -> str:
    try:
        connection = opened(str(path))
        made = [row[0] for row in connection.execute(_TABLES)]
        connection.close()
    except sqlite3.Error as error:
        raise Unusable(
            "db_id", f"{path}: cannot be read as an SQLite database ({error})"
        ) from error
    return "\n\n".join(f"{statement.strip()};" for statement in made if statement)


def problem_of(path: Path, query: str) -> str | None:
    """Why a query cannot run on a database, None where it can: it is prepared, not run."""
    connection = opened(str(path))
    connection.set_authorizer(authorize)
    try:
        for statement in statements(query):
            connection.execute(f"EXPLAIN {statement}").fetchone()
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        return f"does not run on the database ({error}); correct it, or take the row out"
    finally:
        connection.close()
    return None


def sql_forms(databases: Databases | None) -> tuple[Form, ...]:
    """The forms that ``sql`` takes."""
    made = _Converter(databases)
    asked = (Field("db_id", text), Field("question", text))
    return (
        Form(
            "BIRD",
            (*asked, Field("SQL", text), Field("evidence", any_text, required=False)),
            made.bird,
            lambda row: str(row["SQL"]),
        ),
        Form("Spider", (*asked, Field("query", text)), made.spider, lambda row: str(row["query"])),
    )
