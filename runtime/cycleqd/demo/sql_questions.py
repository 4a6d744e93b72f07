"""The SQL skill: one statement for SQLite, checked by running it.

Beside the shared staff table it knows ``books(title, author, price, year)`` and
``stock(item, shop, qty)``. The expected rows come from running the reference answer.
"""
# ruff: noqa: S608 - these statements are texts to learn, run on tables in memory only

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from typing import Any

from cycleqd.demo.questions import Question, Skill, Template, data_generator, words
from cycleqd.demo.staff import STAFF_TEMPLATES, StaffQuestion

_TITLES = words("atlas birds clay dunes ember fjord grove harbor island jungle karst lagoon")
_AUTHORS = words("adams brown chen diaz evans frost gupta hayes ito jones klein lopez")
_ITEMS = words("apple bread candle drum eraser flute glove hammer ink jar kite lamp mug nail")
_SHOPS = words("north south east west central harbor station airport")


def _prompt(text: str) -> str:
    return f"{text}\n```sql\n"


def _books(rng: random.Random, near: int) -> str:
    values = ",".join(
        f"('{title}','{rng.choice(_AUTHORS)}',{max(1, near + rng.randint(-6, 6))},"
        f"{1980 + rng.randint(0, 40)})"
        for title in rng.sample(_TITLES, 9)
    )
    return (
        "CREATE TABLE books(title TEXT,author TEXT,price INT,year INT);"
        f"INSERT INTO books VALUES{values};"
    )


def _stock(rng: random.Random, item: str, shop: str, near: int) -> str:
    rows = [(item, shop), (item, rng.choice(_SHOPS)), (rng.choice(_ITEMS), shop)]
    rows += [(rng.choice(_ITEMS), rng.choice(_SHOPS)) for _ in range(6)]
    values = ",".join(f"('{i}','{s}',{max(0, near + rng.randint(-6, 6))})" for i, s in rows)
    return f"CREATE TABLE stock(item TEXT,shop TEXT,qty INT);INSERT INTO stock VALUES{values};"


def _asked(
    template: str,
    text: str,
    answer: str,
    database: Callable[[random.Random], str],
    *,
    ordered: bool = False,
    check: str | None = None,
) -> Question:
    prompt = _prompt(text)

    def fields() -> dict[str, Any]:
        script = database(data_generator(prompt))
        optional = {"ordered": True} if ordered else {}
        extra = {"check": check} if check is not None else {}
        return {"database": script, "rows": _run(script, answer, check), **optional, **extra}

    return Question(template, prompt, answer, fields)


def _run(script: str, answer: str, check: str | None) -> list[list[Any]]:
    connection = sqlite3.connect(":memory:")
    try:
        connection.executescript(script)
        rows = connection.execute(answer).fetchall()
        if check is not None:
            rows = connection.execute(check).fetchall()
    finally:
        connection.close()
    return [list(row) for row in rows]


def _staff(ask: Callable[[random.Random], StaffQuestion]) -> Template:
    def template(rng: random.Random) -> Question:
        staff = ask(rng)

        def fields() -> dict[str, Any]:
            values = ",".join(f"('{r.name}',{r.age},'{r.dept}',{r.pay})" for r in staff.rows)
            optional = {"ordered": True} if staff.ordered else {}
            return {
                "database": "CREATE TABLE staff(name TEXT,age INT,dept TEXT,pay INT);"
                f"INSERT INTO staff VALUES{values};",
                "rows": [[value] for value in staff.result],
                **optional,
            }

        return Question(staff.kind, _prompt(staff.text), staff.sql, fields)

    return template


def _distinct(rng: random.Random) -> Question:
    price, word = rng.randint(5, 99), rng.choice(("cheaper", "dearer"))
    symbol = "<" if word == "cheaper" else ">"
    return _asked(
        "sql-distinct",
        f"distinct author of books {word} than {price}",
        f"SELECT DISTINCT author FROM books WHERE price{symbol}{price}",
        lambda data: _books(data, price),
    )


def _top(rng: random.Random) -> Question:
    count, price = rng.randint(2, 9), rng.randint(5, 99)
    return _asked(
        "sql-top",
        f"{count} newest books under {price}, title",
        f"SELECT title FROM books WHERE price<{price} ORDER BY year DESC,title LIMIT {count}",
        lambda data: _books(data, price),
        ordered=True,
    )


def _between(rng: random.Random) -> Question:
    low, span = rng.randint(5, 80), rng.randint(2, 9)
    return _asked(
        "sql-between",
        f"title of books priced {low} to {low + span}",
        f"SELECT title FROM books WHERE price BETWEEN {low} AND {low + span}",
        lambda data: _books(data, low),
    )


def _grouped(rng: random.Random) -> Question:
    count, item = rng.randint(2, 60), rng.choice(_ITEMS)
    return _asked(
        "sql-grouped",
        f"qty per shop where {item} over {count}",
        f"SELECT shop,SUM(qty) FROM stock WHERE item='{item}' AND qty>{count} GROUP BY shop",
        lambda data: _stock(data, item, "north", count),
    )


def _like(rng: random.Random) -> Question:
    letters = rng.choice(_TITLES)[: rng.randint(1, 2)]
    column, year = rng.choice(("price", "year")), 1985 + rng.randint(0, 30)
    return _asked(
        "sql-like",
        f"{column} of books since {year} starting with {letters}",
        f"SELECT {column} FROM books WHERE title LIKE '{letters}%' AND year>={year}",
        lambda data: _books(data, 30),
    )


def _update(rng: random.Random) -> Question:
    item, count = rng.choice(_ITEMS), rng.randint(2, 99)
    return _asked(
        "sql-update",
        f"set qty of {item} in stock to {count}",
        f"UPDATE stock SET qty={count} WHERE item='{item}'",
        lambda data: _stock(data, item, "north", count),
        check="SELECT * FROM stock",
    )


def _delete(rng: random.Random) -> Question:
    shop, count = rng.choice(_SHOPS), rng.randint(2, 60)
    return _asked(
        "sql-delete",
        f"drop stock rows of shop {shop} with qty under {count}",
        f"DELETE FROM stock WHERE shop='{shop}' AND qty<{count}",
        lambda data: _stock(data, "jar", shop, count),
        check="SELECT * FROM stock",
    )


def _insert(rng: random.Random) -> Question:
    item, shop, count = rng.choice(_ITEMS), rng.choice(_SHOPS), rng.randint(2, 99)
    return _asked(
        "sql-insert",
        f"add {count} {item} to stock of {shop}",
        f"INSERT INTO stock VALUES('{item}','{shop}',{count})",
        lambda data: _stock(data, "jar", shop, count),
        check="SELECT * FROM stock",
    )


SQL = Skill(
    "sql",
    type="sql",
    shared=tuple(_staff(ask) for ask in STAFF_TEMPLATES),
    own=(_distinct, _top, _between, _grouped, _like, _update, _delete, _insert),
)
