"""A program's module, wherever it lies, is found in the sandbox, and only by the harness."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from cycleqd.errors import SandboxUnavailable
from cycleqd.evaluation.sandbox import PythonProgram, Sandbox

pytestmark = pytest.mark.timeout(120)

SOURCE = """
import os
from dataclasses import dataclass, field
from cycleqd.evaluation.sandbox import Ended, Limits, Program, Report

@dataclass(frozen=True)
class Sum(Program):
    harness = __name__
    numbers: tuple
    limits: Limits = field(default_factory=Limits)

def run(program, ends, folder, temporary):
    assert type(program.numbers) is tuple
    if not program.numbers:
        return
    os.write(ends.report, str(sum(program.numbers)).encode())
    os._exit(0)

def report(program, ended):
    return Report("passed" if ended.code == 0 else "failed", stdout=ended.sent.decode())
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A module in a package of its own, outside of the sources."""
    package = tmp_path / "sandbox_plugin"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "sums.py").write_text(SOURCE)
    (package / "heavy.py").write_text(f"import pydantic\n{SOURCE}")
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("sandbox_plugin.sums")
    for name in [name for name in sys.modules if name.startswith("sandbox_plugin")]:
        del sys.modules[name]


def test_it_runs_beside_the_others(any_sandbox: Sandbox, module: ModuleType) -> None:
    innocent = PythonProgram("", "def f(): return 1", "assert f() == 1")
    reports = any_sandbox.run([innocent, module.Sum((2, 3)), innocent])
    assert [report.status for report in reports] == ["passed"] * 3
    assert reports[1].stdout == "5"


def test_one_that_comes_back_has_not_passed(any_sandbox: Sandbox, module: ModuleType) -> None:
    (report,) = any_sandbox.run([module.Sum(())])
    assert report.status == "failed"


@pytest.mark.parametrize("name", ["sandbox_plugin.sums", "sandbox_plugin", "cycleqd"])
def test_generated_code_cannot_import_it(
    any_sandbox: Sandbox, module: ModuleType, name: str
) -> None:
    code = (
        f"try:\n    import {name}\nexcept ImportError:\n    found = False\nelse:\n    found = True"
    )
    first, report = any_sandbox.run([module.Sum((1,)), PythonProgram("", code, "assert not found")])
    assert first.status == "passed"
    assert report.status == "passed"


@pytest.mark.usefixtures("module")
def test_more_than_the_standard_library_is_refused_by_name() -> None:
    heavy = importlib.import_module("sandbox_plugin.heavy")
    with (
        Sandbox() as sandbox,
        pytest.raises(SandboxUnavailable, match=r"sandbox_plugin\.heavy: .*'pydantic'.* standard"),
    ):
        sandbox.run([heavy.Sum((1,))])
