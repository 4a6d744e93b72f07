"""What messages and documents name: their texts, the manifest's fields, commands and variables."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import typer

from cycleqd.cli import app
from cycleqd_operator.settings import PREFIX, Settings

from .repository import ROOT, documents, python_scripts

SOURCES = ("runtime", "operator", "devcluster")
CLI: Any = typer.main.get_command(app)

UNKNOWN = "{}"
"""Stands in a text for what an f-string fills in."""

_SEGMENT = r"\.(?:[A-Za-z]\w*|\{\})"
_INDEX = r"\[[^\]\s]*\]"
FIELD = re.compile(rf"(?<![\w.])spec(?:{_SEGMENT}|{_INDEX})+")
_STEP = re.compile(rf"{_SEGMENT}|{_INDEX}")


class Text(NamedTuple):
    """A text and the file it stands in."""

    where: str
    text: str


def literals(source: str) -> Iterator[str]:
    """The strings of a Python file, docstrings and f-strings among them."""
    nodes = list(ast.walk(ast.parse(source)))
    whole = [node for node in nodes if isinstance(node, ast.JoinedStr)]
    parts = {id(part) for node in whole for part in node.values}
    for formatted in whole:
        yield "".join(
            str(part.value) if isinstance(part, ast.Constant) else UNKNOWN
            for part in formatted.values
        )
    for node in nodes:
        if isinstance(node, ast.Constant) and id(node) not in parts and isinstance(node.value, str):
            yield node.value


@cache
def python_texts() -> tuple[Text, ...]:
    files = [path for folder in SOURCES for path in sorted((ROOT / folder).rglob("*.py"))]
    return tuple(
        Text(str(path.relative_to(ROOT)), text)
        for path in [*files, *python_scripts()]
        for text in literals(path.read_text("utf-8"))
    )


@cache
def document_texts() -> tuple[Text, ...]:
    """The documents, and the files that users read and copy."""
    shown = [*ROOT.glob("manifests/examples/**/*.yaml"), *ROOT.glob("charts/*/values.yaml")]
    files = [*documents(), *sorted(shown), *ROOT.glob("charts/*/templates/NOTES.txt")]
    return tuple(Text(path.name, path.read_text("utf-8")) for path in files)


def has_field(node: dict[str, Any] | bool, path: str) -> bool:
    """Whether a schema has a field; an unknown step fits any."""
    if isinstance(node, bool):  # additionalProperties: anything goes, or nothing
        return node
    step = _STEP.match(path)
    if step is None:
        return not path
    rest, name = path[step.end() :], step[0].strip(".[]")
    if step[0].startswith("[") and node.get("type") == "array":
        return has_field(node["items"], rest)
    properties: dict[str, Any] = node.get("properties", {})
    if name == UNKNOWN:
        return any(has_field(p, rest) for p in properties.values() if not rest or "properties" in p)
    if name in properties:
        return has_field(properties[name], rest)
    return has_field(node.get("additionalProperties", False), rest)


def field_at(node: dict[str, Any], path: str) -> dict[str, Any]:
    """The schema of an existing field without indices, such as ``spec.storage``."""
    for name in path.split("."):
        node = node["properties"][name]
    return node


def all_fields(node: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field's own name and schema, at any depth."""
    for name, part in node.get("properties", {}).items():
        yield name, part
        yield from all_fields(part)
    if isinstance(node.get("items"), dict):
        yield from all_fields(node["items"])


def options_of(command: Any) -> dict[str, Any]:
    """A command's options by name."""
    names = {o: p for p in command.params for o in (*p.opts, *p.secondary_opts)}
    return {name: p for name, p in names.items() if name.startswith("-")} | {"--help": None}


def all_options() -> set[str]:
    """The options of ``cycleqd`` and all of its commands."""
    found, commands = set(), [CLI]
    while commands:
        command = commands.pop()
        found |= set(options_of(command))
        commands += getattr(command, "commands", {}).values()
    return found


def operator_options() -> set[str]:
    """The options of ``cycleqd-operator``."""
    source = (ROOT / "operator/cycleqd_operator/main.py").read_text("utf-8")
    return {text for text in literals(source) if re.fullmatch(r"--[a-z-]+", text)} | {"--help"}


def command_problem(line: str) -> str | None:
    """What is wrong with a ``cycleqd`` command line, None when it names what there is."""
    command, words = CLI, shlex.split(line)[1:]
    while words:
        word = words.pop(0)
        name, _, value = word.partition("=")
        if name.startswith("-"):
            if name not in options_of(command):
                return f"{command.name} has no option {name}"
            option = options_of(command)[name]
            if option is not None and not option.is_flag and not value and words:
                words.pop(0)
        elif hasattr(command, "commands"):
            if name not in command.commands:
                return f"there is no command {name}"
            command = command.commands[name]
    return None


@cache
def variables_that_are_read() -> frozenset[str]:
    """``CYCLEQD_*`` variables that something reads, not those that are only set or named."""
    found = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    files = [path for folder in (*SOURCES, "tests") for path in (ROOT / folder).rglob("*.py")]
    for path in [*files, *python_scripts()]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            found |= _read_by(node, path)
    return frozenset(name for name in found if name.startswith("CYCLEQD_"))


def _read_by(node: ast.AST, path: Path) -> set[str]:
    """The variables that an expression looks up, or that the runtime keeps by a constant's name."""
    values: list[ast.expr] = []
    match node:
        case ast.Call(func=ast.Attribute(attr="get" | "getenv"), args=[name, *_]):
            values = [name]
        case ast.Subscript(slice=name, ctx=ast.Load()):
            values = [name]
        case ast.Assign(targets=[ast.Name()], value=name) if "runtime" in path.parts:
            values = [name]
        case ast.AnnAssign(target=ast.Name(), value=ast.expr() as name) if "runtime" in path.parts:
            values = [name]
    return {v.value for v in values if isinstance(v, ast.Constant) and isinstance(v.value, str)}
