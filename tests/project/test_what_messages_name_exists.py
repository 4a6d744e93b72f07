"""Fields, commands, options and variables that a message or a document names exist.

A remedy that names what is not there sends its reader away in vain.
"""

from __future__ import annotations

import re

import pytest

from cycleqd.manifest.schema import manifest_schema

from .naming import (
    FIELD,
    all_fields,
    all_options,
    command_problem,
    document_texts,
    field_at,
    has_field,
    literals,
    operator_options,
    python_texts,
    variables_that_are_read,
)

SCHEMA = manifest_schema()
TEXTS = [*python_texts(), *document_texts()]

POD_FIELDS = {"spec.nodeName"}
"""Fields of a pod, which the played cluster selects by."""

FOREIGN_OPTIONS = {
    "--build-arg",  # docker build
    "--no-hooks",  # helm uninstall
    "--take-ownership",  # helm install
    "--platform",  # docker buildx
    "--require-hashes",  # pip install
    "--only-binary",  # pip install
}

OPTION = re.compile(r"(?<![\w(-])--[a-z][a-z0-9-]*")
VARIABLE = re.compile(r"\bCYCLEQD_[A-Z0-9_]+")
CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
COMMENT = re.compile(r"^# +(cycleqd [^#\n]*)$", re.MULTILINE)
EXAMPLE = re.compile(r"^Example: (cycleqd .*)$")
ROWS = re.compile(r"^\| field of `(spec[\w.]*)` \|.*\n\|[-| ]+\|\n((?:\|.*\n)+)", re.MULTILINE)
SETTING = re.compile(r"(?:\w+\.)*(\w+): (\w+)")


def test_fields() -> None:
    named = [(where, path) for where, text in TEXTS for path in FIELD.findall(text)]
    assert len(named) > 100
    assert {path for _, path in named} >= POD_FIELDS, "nothing else is excused"
    missing = [
        (where, path)
        for where, path in named
        if path not in POD_FIELDS and not has_field(SCHEMA, f".{path}")
    ]
    assert missing == []


def test_commands() -> None:
    """In messages and in comments of files; those of documents have a test of their own."""
    messages = [
        (where, line)
        for where, text in python_texts()
        for line in [*CODE.findall(text), *EXAMPLE.findall(text)]
        if line.startswith("cycleqd ")
    ]
    comments = [(where, c) for where, text in document_texts() for c in COMMENT.findall(text)]
    assert comments
    lines = messages + comments
    assert len(lines) > 20
    assert [(where, line, p) for where, line in lines if (p := command_problem(line))] == []


def test_options() -> None:
    """In sentences of messages, and as code in documents; what stands alone is an argument."""
    sentences = [
        (where, text)
        for where, text in python_texts()
        if where.startswith(("runtime", "operator")) and re.search(r"\s", text)
    ]
    code = [(where, c) for where, text in document_texts() for c in CODE.findall(text)]
    code = [(where, c) for where, c in code if c.startswith(("--", "cycleqd-operator "))]
    named = [(where, name) for where, text in sentences + code for name in OPTION.findall(text)]
    assert len(named) > 20
    known = all_options() | operator_options() | FOREIGN_OPTIONS
    assert [(where, name) for where, name in named if name not in known] == []
    assert {name for _, name in named} >= FOREIGN_OPTIONS, "nothing else is excused"


def test_variables() -> None:
    known = variables_that_are_read()
    named = [(where, name) for where, text in TEXTS for name in VARIABLE.findall(text)]
    assert len(named) > 50
    missing = [
        (where, name)
        for where, name in named
        if name not in known and not (name.endswith("_") and any(v.startswith(name) for v in known))
    ]
    assert missing == []


def test_values_in_tables_of_fields() -> None:
    tables = [(where, *found) for where, text in document_texts() for found in ROWS.findall(text)]
    assert tables
    for where, path, rows in tables:
        properties = field_at(SCHEMA, path)["properties"]
        for row in rows.splitlines():
            name, *values = CODE.findall(row)
            assert name in properties, f"{where}: {path} has no field {name}"
            allowed = properties[name].get("enum")
            if allowed:
                assert set(values) <= set(allowed), f"{where}: {path}.{name}"


def test_values_beside_fields() -> None:
    """`field: Value` in code, where every field of that name has a list of values."""
    allowed: dict[str, set[str] | None] = {}
    for name, field in all_fields(SCHEMA):
        values = set(field["enum"]) if "enum" in field else None
        known = allowed.get(name, values)
        allowed[name] = None if values is None or known is None else known | values
    settings = [
        (where, *found.groups())
        for where, text in TEXTS
        if where != "extending.md"  # whose examples add values of their own
        for code in CODE.findall(text)
        if (found := SETTING.fullmatch(code))
    ]
    checked = [(where, n, value) for where, n, value in settings if allowed.get(n) is not None]
    assert checked
    assert [c for c in checked if c[2] not in (allowed[c[1]] or ())] == []


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("spec.storage.s3.endpoint", True),
        ("spec.storage.s3.profile", False),
        ("spec.experts[0].uri", True),
        ("spec.experts[].url", False),
        ("spec.tasks[{}].items.{}", True),
        ("spec.{}.image", True),
        ("spec.{}.picture", False),
        ("spec.{}.template.spec.imagePullSecrets", True),
        ("spec.workers.template.spec.imagePullSecrets", True),
        ("spec.workers.template.imagePullSecrets", False),
        ('spec.serviceAccountAnnotations["eks.amazonaws.com/role-arn"]', True),
        ("spec.storage.uri.scheme", False),
    ],
)
def test_a_field_that_is_missing_would_be_found(path: str, there: bool) -> None:
    assert FIELD.findall(f"{path}: wrong; correct {path}.") == [path, path]
    assert has_field(SCHEMA, f".{path}") is there


def test_f_strings_are_read_whole() -> None:
    source = 'f"spec.{role}.image: " f"{said} in spec.{role}." "template"\n"plain"'
    assert list(literals(source)) == ["spec.{}.image: {} in spec.{}.template", "plain"]
