"""docs/operations.md names every reason, alert and right that the operator knows, and no other.

A user meets a reason in `kubectl get` and looks it up there; a table that lags behind is worse than
none.
"""

from __future__ import annotations

import ast
import re
from typing import get_args

import yaml

from cycleqd.contract.progress import Progress
from cycleqd_operator.kube.rights import RULES

from .rendering import CHART, ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")
SOURCES = sorted((ROOT / "operator" / "cycleqd_operator").rglob("*.py"))
QUIET = {"NotSuspended", "NotComplete", "NotFailed"}
"""Reasons of conditions that do not hold and need no explanation."""

PLACES = {"Finding": 1, "Outcome": 1, "Obstacle": 0, "_Wait": 0}
"""Where the reason stands among the arguments of a call."""

WORD = re.compile(r"[A-Z][A-Za-z]+")


def _section(title: str, end: str = "\n## ") -> str:
    return PAGE.split(f"\n## {title}\n")[1].split(end)[0]


def _table(title: str) -> list[list[str]]:
    """The cells of a section's table, without its head."""
    rows = [line for line in _section(title).splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


def _words(node: ast.AST) -> set[str]:
    """CamelCase words that stand in an expression as they are, or on one side of a condition."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {node.value} if WORD.fullmatch(node.value) else set()
    if isinstance(node, ast.IfExp):
        return _words(node.body) | _words(node.orelse)
    return set()


def _reasons_in_code() -> set[str]:
    """Reasons of findings, outcomes, obstacles and waits, and states of a living run."""
    found = set(get_args(Progress.model_fields["store_error_reason"].annotation)) - {""}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                place = PLACES.get(node.func.id)
                if place is not None and len(node.args) > place:
                    found |= _words(node.args[place])
            elif isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
                found |= set().union(*(_words(part) for part in node.value.elts[:2]))
            elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "reason":
                found |= _words(node.value)
    return found - QUIET


def _reasons_on_the_page() -> set[str]:
    section = _section("Troubleshooting by condition").split("### The operator itself")[0]
    first = [line.split(" | ")[0] for line in section.splitlines() if line.startswith("| `")]
    return {word for cell in first for word in re.findall(r"`(\w+)`", cell)}


def test_reasons() -> None:
    in_code = _reasons_in_code()
    assert {"Evolving", "GoalReached", "CrashLooping", "StoreFull"} <= in_code
    # Passed on from a pod's own words: the name of the error class.
    assert _reasons_on_the_page() == in_code | {"ConditionalWritesUnsupported"}


def test_permissions() -> None:
    listed = {
        (resource, verb.strip())
        for cells in _table("Permissions")
        for resource in re.findall(r"`([\w/]+)`", cells[0])
        for verb in cells[1].split(",")
    }
    assert listed == {(rule.resource, verb) for rule in RULES for verb in rule.verbs}


def test_alerts() -> None:
    template = (CHART / "templates" / "prometheusrule.yaml").read_text("utf-8")
    listed = {cells[0].strip("| `"): cells[1] for cells in _table("Alerts")}
    severities = re.findall(r"alert: (\w+).*?severity: (\w+)", template, re.DOTALL)
    assert severities
    assert listed == dict(severities)


def test_values_on_the_install_page_exist() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    page = (ROOT / "docs" / "install.md").read_text("utf-8")
    cells = [line.split(" | ")[0] for line in page.splitlines() if line.startswith("| `")]
    named = {name for cell in cells for name in re.findall(r"`([\w.]+)`", cell)}
    assert len(named) > 10
    for name in named:
        value = values
        for key in name.split("."):
            assert key in value, name
            value = value[key]
