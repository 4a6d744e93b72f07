"""Files that hold no test of the chosen tier are not even imported.

Importing torch and transformers takes longer than many a tier's tests, and each process that shares
a tier would do it. What marks a file gives to all its tests stands in its `pytestmark`; its tests
may have further ones.
"""

from __future__ import annotations

import ast
import re
from itertools import combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OPERATORS = {"and", "or", "not"}


def may_hold(path: Path, expression: str) -> bool:
    """Whether a file of tests may hold one that pytest's ``-m`` expression selects."""
    names = set(re.findall(r"\w+", expression)) - OPERATORS
    given = names & marks_of_all(path)
    # A name that is no mark, or a call: let pytest judge.
    if not names or not re.fullmatch(r"[\w ()]+", expression):
        return True
    return any(selects(expression, names, given | extra) for extra in _subsets(names - given))


def selects(expression: str, names: set[str], marks: set[str]) -> bool:
    """Whether an expression of these names selects a test with these marks.

    It is made of names, `and`, `or`, `not`: Python reads it as pytest does.
    """
    having = {name: name in marks for name in names}
    return bool(eval(expression, {"__builtins__": {}}, having))


def marks_of_all(path: Path) -> set[str]:
    """The names of the marks that a file gives to all its tests."""
    text = path.read_text("utf-8")
    if "pytestmark" not in text:
        return set()
    return {
        mark.attr
        for statement in ast.parse(text).body
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "pytestmark"
        for mark in ast.walk(statement.value)
        if isinstance(mark, ast.Attribute) and ast.unparse(mark.value) == "pytest.mark"
    }


def _subsets(names: set[str]) -> Iterator[set[str]]:
    for size in range(len(names) + 1):
        yield from map(set, combinations(sorted(names), size))
