"""Names of a run's objects are made and read in `cycleqd.records.keys` alone.

The store's layout is a promise to runs that exist: a key that a module spells for itself would stay
behind when that promise is kept in another place.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from cycleqd.records import keys

from .repository import ROOT

if TYPE_CHECKING:
    from pathlib import Path

OWNER = ROOT / "runtime" / "cycleqd" / "records" / "keys.py"
MODULES = sorted(path for path in (ROOT / "runtime").rglob("*.py") if path != OWNER)
KEYS = (
    keys.RUN,
    keys.generation(1).plan_key,
    keys.final(1).commit_key,
    keys.revision(1),
    keys.report(1, "index.html"),
    keys.items("sql", "test"),
    keys.genome("c000001"),
    keys.factors("sql"),
)
FOLDERS = tuple(f"{key.split('/')[0]}/" for key in KEYS if "/" in key)


def _texts(tree: ast.AST) -> list[str]:
    """Texts and parts of formatted texts, without docstrings."""
    documents = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in documents
    ]


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_other_module_spells_a_key(module: Path) -> None:
    tree = ast.parse(module.read_text("utf-8"))
    assert [text for text in _texts(tree) if text.startswith(FOLDERS)] == []


@pytest.mark.parametrize("stage", [keys.generation(0), keys.generation(1_000_000), keys.final(10)])
def test_a_stage_is_known_by_its_folder(stage: keys.Stage) -> None:
    assert keys.stage(stage.folder) == stage
    assert stage.is_final is (stage.folder == "final/000010")
    assert keys.final(stage.number) == stage or keys.generation(stage.number) == stage


def test_entries_are_known_by_the_names_of_their_results() -> None:
    stage = keys.generation(3)
    names = [stage.result_key(n).removeprefix(stage.results_prefix) for n in (0, 7, 123_456)]
    assert stage.entries([*names, "notes.txt"]) == {0, 7, 123_456}


@pytest.mark.parametrize(
    ("candidate", "number"),
    [
        (keys.child(0), 0),
        (keys.child(12_345_678), 12_345_678),
        (keys.expert("c000001"), None),
        (keys.aggregate(10), None),
        ("c", None),
        ("c1\u00b2", None),
    ],
)
def test_children_are_known_by_their_ids(candidate: str, number: int | None) -> None:
    assert keys.child_number(candidate) == number
