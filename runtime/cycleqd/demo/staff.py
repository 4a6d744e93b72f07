"""One staff table that all three skills are asked about.

The same question ("names of staff with age over 40") wants SQL, a Python function or a shell
command, depending on the last line of the prompt. This is where the experts pull the same weights
in different directions, so it is where merging them costs something and a search has work to do.

In SQL it is the table ``staff(name, age, dept, pay)``; in Python a list ``t`` of rows with those
attributes; in the shell a file ``staff`` with those four columns between spaces.
"""
# ruff: noqa: S608 - these statements are texts to learn, run on tables in memory only

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from cycleqd.demo.questions import data_generator, words

NAMES = words(
    "ann bob cara dan eve finn gina hugo iris jack kate liam mia noah olga paul quinn rosa "
    "sam tina uma vera will xena yuri zoe"
)
DEPARTMENTS = words("hr it sales legal ops press design labs store fleet audit tax")
_POSITION = {"name": "$1", "age": "$2", "dept": "$3", "pay": "$4"}
_COMPARISONS: tuple[tuple[str, tuple[str, ...], Callable[[int, int], bool]], ...] = (
    (">", ("over", "above", "more than"), lambda a, b: a > b),
    ("<", ("under", "below", "less than"), lambda a, b: a < b),
    (">=", ("at least", "not under"), lambda a, b: a >= b),
    ("<=", ("at most", "not over"), lambda a, b: a <= b),
)


@dataclass(frozen=True)
class Row:
    """One person of the staff table."""

    name: str
    age: int
    dept: str
    pay: int


@dataclass(frozen=True)
class StaffQuestion:
    """A question about the staff table and its answers in three languages.

    Attributes:
        kind: name of the template.
        text: the question without the language.
        sql: a SELECT.
        python: an expression over the rows ``t``.
        command: a shell command that reads the file ``staff``.
        rows: the table.
        result: the expected values, one for each line of output.
        single: whether the result is one number rather than a list.
        ordered: whether the order of the result matters.
    """

    kind: str
    text: str
    sql: str
    python: str
    command: str
    rows: tuple[Row, ...]
    result: tuple[str | int, ...]
    single: bool = False
    ordered: bool = False


def table(text: str, number: int, dept: str) -> tuple[Row, ...]:
    """Nine rows that tell right from nearly right: some at, some just beside ``number``.

    Args:
        text: the question, which the rows follow from.
        number: the threshold asked about.
        dept: the department asked about; at least three rows are in it.
    """
    rng = data_generator(text)
    near = [number, number - 1, number + 1, number - 7, number + 7, number + 2, number, 50, 20]
    ages, pays = near[:], near[:]
    rng.shuffle(ages)
    rng.shuffle(pays)
    depts = [dept] * 4 + rng.choices(DEPARTMENTS, k=5)
    rng.shuffle(depts)
    names = rng.sample(NAMES, 9)
    return tuple(Row(*fields) for fields in zip(names, ages, depts, pays, strict=True))


def _compare(rng: random.Random) -> tuple[str, str, Callable[[int, int], bool]]:
    symbol, words, holds = rng.choice(_COMPARISONS)
    return symbol, rng.choice(words), holds


def _listed(rng: random.Random) -> StaffQuestion:
    column, number = rng.choice(("name", "dept", "name")), rng.randint(10, 99)
    by = rng.choice(("age", "pay"))
    symbol, word, holds = _compare(rng)
    text = rng.choice(
        (f"{column} of staff with {by} {word} {number}", f"staff {by} {word} {number}, {column}")
    )
    rows = table(text, number, "hr")
    return StaffQuestion(
        kind="staff-listed",
        text=text,
        sql=f"SELECT {column} FROM staff WHERE {by}{symbol}{number}",
        python=f"[r.{column} for r in t if r.{by}{symbol}{number}]",
        command=f"awk '{_POSITION[by]}{symbol}{number}{{print {_POSITION[column]}}}' staff",
        rows=rows,
        result=tuple(getattr(r, column) for r in rows if holds(getattr(r, by), number)),
    )


def _counted(rng: random.Random) -> StaffQuestion:
    by, number = rng.choice(("age", "pay")), rng.randint(10, 99)
    symbol, word, holds = _compare(rng)
    text = rng.choice(
        (f"how many staff with {by} {word} {number}", f"count staff {by} {word} {number}")
    )
    rows = table(text, number, "hr")
    return StaffQuestion(
        kind="staff-counted",
        text=text,
        sql=f"SELECT COUNT(*) FROM staff WHERE {by}{symbol}{number}",
        python=f"sum(r.{by}{symbol}{number} for r in t)",
        command=f"awk '{_POSITION[by]}{symbol}{number}' staff | wc -l",
        rows=rows,
        result=(sum(holds(getattr(r, by), number) for r in rows),),
        single=True,
    )


def _of_department(rng: random.Random) -> StaffQuestion:
    column, dept = rng.choice(("name", "age", "pay")), rng.choice(DEPARTMENTS)
    text = rng.choice((f"{column} of staff in {dept}", f"staff in {dept}, {column}"))
    rows = table(text, 40, dept)
    return StaffQuestion(
        kind="staff-of-department",
        text=text,
        sql=f"SELECT {column} FROM staff WHERE dept='{dept}'",
        python=f"[r.{column} for r in t if r.dept=='{dept}']",
        command=f"awk '$3==\"{dept}\"{{print {_POSITION[column]}}}' staff",
        rows=rows,
        result=tuple(getattr(r, column) for r in rows if r.dept == dept),
    )


def _summed(rng: random.Random) -> StaffQuestion:
    column, dept = rng.choice(("age", "pay")), rng.choice(DEPARTMENTS)
    text = rng.choice((f"total {column} of staff in {dept}", f"sum of {column} in staff {dept}"))
    rows = table(text, 40, dept)
    return StaffQuestion(
        kind="staff-summed",
        text=text,
        sql=f"SELECT SUM({column}) FROM staff WHERE dept='{dept}'",
        python=f"sum(r.{column} for r in t if r.dept=='{dept}')",
        command=f"awk '$3==\"{dept}\"{{s+={_POSITION[column]}}}END{{print s}}' staff",
        rows=rows,
        result=(sum(getattr(r, column) for r in rows if r.dept == dept),),
        single=True,
    )


def _both(rng: random.Random) -> StaffQuestion:
    dept, number, by = rng.choice(DEPARTMENTS), rng.randint(10, 99), rng.choice(("age", "pay"))
    symbol, word, holds = _compare(rng)
    text = rng.choice(
        (
            f"name of staff in {dept} with {by} {word} {number}",
            f"staff in {dept} {by} {word} {number}, name",
        )
    )
    rows = table(text, number, dept)
    position = _POSITION[by]
    return StaffQuestion(
        kind="staff-both",
        text=text,
        sql=f"SELECT name FROM staff WHERE dept='{dept}' AND {by}{symbol}{number}",
        python=f"[r.name for r in t if r.dept=='{dept}' and r.{by}{symbol}{number}]",
        command=f"awk '$3==\"{dept}\" && {position}{symbol}{number}{{print $1}}' staff",
        rows=rows,
        result=tuple(r.name for r in rows if r.dept == dept and holds(getattr(r, by), number)),
    )


def _sorted(rng: random.Random) -> StaffQuestion:
    by, number = rng.choice(("age", "pay")), rng.randint(10, 99)
    symbol, word, holds = _compare(rng)
    text = rng.choice(
        (
            f"sorted name of staff with {by} {word} {number}",
            f"staff {by} {word} {number}, name in order",
        )
    )
    rows = table(text, number, "hr")
    return StaffQuestion(
        kind="staff-sorted",
        text=text,
        sql=f"SELECT name FROM staff WHERE {by}{symbol}{number} ORDER BY name",
        python=f"sorted(r.name for r in t if r.{by}{symbol}{number})",
        command=f"awk '{_POSITION[by]}{symbol}{number}{{print $1}}' staff | sort",
        rows=rows,
        result=tuple(sorted(r.name for r in rows if holds(getattr(r, by), number))),
        ordered=True,
    )


STAFF_TEMPLATES = (_listed, _counted, _of_department, _summed, _both, _sorted)
