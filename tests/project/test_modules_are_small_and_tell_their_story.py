"""Every module of the product and its cluster tells its story, stays readable, loads no pickle."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from .repository import ROOT

if TYPE_CHECKING:
    from pathlib import Path

FOLDERS = ("runtime", "operator", "devcluster")
MODULES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
LONGEST = 400
FORBIDDEN_IMPORTS = {"pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
DUMPING_GROUNDS = {"utils.py", "helpers.py", "misc.py", "common.py"}


@pytest.mark.parametrize("module", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_module(module: Path) -> None:
    text = module.read_text("utf-8")
    tree = ast.parse(text)
    assert ast.get_docstring(tree)
    assert len(text.splitlines()) < LONGEST
    assert module.name not in DUMPING_GROUNDS
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        assert FORBIDDEN_IMPORTS.isdisjoint(name.split(".")[0] for name in names)
        if isinstance(node, ast.Attribute) and node.attr == "load":
            # torch.load unpickles; safetensors are read by the project's own reader.
            assert not (isinstance(node.value, ast.Name) and node.value.id == "torch")


def test_project_folders_are_no_packages() -> None:
    # A package called `operator` would shadow the standard library's.
    assert [n for n in ("runtime", "operator") if (ROOT / n / "__init__.py").exists()] == []
