"""A setting of the manifest has its default there alone: no function has another one for it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from cycleqd.manifest.cluster import Workers
from cycleqd.manifest.model import Evaluation, Task
from tests.project.repository import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTINGS = {
    *(Evaluation.model_fields.keys() - {"engine"}),
    *(Task.model_fields.keys() & {"max_new_tokens", "timeout_seconds"}),
    *(Workers.model_fields.keys() & {"threads"}),
    "memory_mib",
}


def defaults(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Parameters that have a default, and where."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        positional = [*node.args.posonlyargs, *node.args.args]
        count = len(node.args.defaults)
        given = positional[len(positional) - count :]
        pairs = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
        given += [argument for argument, default in pairs if default is not None]
        for argument in given:
            yield argument.arg, argument.lineno


def test_the_settings_are_those_of_the_manifest() -> None:
    assert {
        "dtype", "max_model_len", "gpu_memory_utilization", "max_new_tokens", "timeout_seconds",
        "threads",
    } <= SETTINGS  # fmt: skip


def test_a_default_is_seen() -> None:
    tree = ast.parse("def f(a, dtype='x', *, b, threads=1): ...")
    assert [name for name, _ in defaults(tree)] == ["dtype", "threads"]


def test_no_function_has_a_default_of_its_own() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in sorted((ROOT / "runtime" / "cycleqd").rglob("*.py"))
        for name, line in defaults(ast.parse(path.read_text()))
        if name in SETTINGS
    ]
    assert found == []
