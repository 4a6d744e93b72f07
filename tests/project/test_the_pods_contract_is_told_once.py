"""What operator and pods tell each other stands in `cycleqd.contract`, and nowhere else.

A variable that one side spells for itself is one that the other side may come to spell otherwise.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections import UserDict
from typing import TYPE_CHECKING, get_args

import pytest

from cycleqd.cli import pod
from cycleqd.contract import variables
from cycleqd.contract.pods import EXIT_SECONDS, GRACE_SECONDS, Component
from cycleqd.errors import InputError
from cycleqd.pod.settings import CoordinatorSettings, WorkerPodSettings

from .repository import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FOLDERS = ("runtime", "operator", "devcluster", "benchmarks")
MODULES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
CONTRACT = ROOT / "runtime" / "cycleqd" / "contract"
NAMES = {
    value for name, value in vars(variables).items() if name.isupper() and isinstance(value, str)
}


@pytest.mark.parametrize(
    "module",
    [path for path in MODULES if not path.is_relative_to(CONTRACT)],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_no_other_module_spells_a_variable(module: Path) -> None:
    texts = (
        str(node.value)
        for node in ast.walk(ast.parse(module.read_text("utf-8")))
        if isinstance(node, ast.Constant)
    )
    assert NAMES.isdisjoint(texts)


class _Read(UserDict[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def get(self, key: str, default: object = None) -> object:  # type: ignore[override]
        self.names.add(key)
        return default


@pytest.mark.parametrize(
    ("settings", "command"),
    [(CoordinatorSettings, pod.coordinate), (WorkerPodSettings, pod.work)],
)
def test_help_names_the_variables_that_a_role_reads(
    settings: type[CoordinatorSettings | WorkerPodSettings], command: Callable[[], None]
) -> None:
    read = _Read()
    with pytest.raises(InputError):
        settings.from_environment(read)
    named = set(re.findall(r"(?:CYCLEQD|JOB)_[A-Z0-9_]+", inspect.getdoc(command) or ""))
    assert named - {"CYCLEQD_S3_"} == read.names
    assert read.names <= NAMES


@pytest.mark.parametrize("component", get_args(Component))
def test_a_process_ends_before_it_is_killed(component: Component) -> None:
    assert EXIT_SECONDS[component] < GRACE_SECONDS[component]
