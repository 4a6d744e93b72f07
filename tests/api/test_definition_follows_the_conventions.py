"""The definition keeps Kubernetes' API conventions, which no schema check of its own enforces.

Every field is described and bounded, nothing is a float, enumerations are CamelCase words, times
say their unit, lists of named things are maps, and every rule names its fault.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from cycleqd_operator.api.definition import custom_resource_definition

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFINITION = custom_resource_definition()
(VERSION,) = DEFINITION["spec"]["versions"]
SCHEMA = VERSION["schema"]["openAPIV3Schema"]
# Words of other systems: dtypes, engines, kinds of tasks, the states of a condition.
FOREIGN_CHOICES = {"dtype", "engine", "type", "status"}


def fields(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, part in node.get("properties", {}).items():
        step = f"{path}.{name}".lstrip(".")
        yield step, part
        inner = part.get("items", part)
        if "items" in part and "properties" not in inner:
            yield f"{step}[]", inner
        yield from fields(inner, f"{step}[]" if "items" in part else step)
        if isinstance(extra := part.get("additionalProperties"), dict):
            yield f"{step}.*", extra


OWN = [(path, node) for path, node in fields(SCHEMA) if path.startswith(("spec", "status"))]


def test_all_fields_are_seen() -> None:
    paths = {path for path, _ in OWN}
    assert {
        "spec.tasks[].bounds.min",
        "spec.tasks[].stop[]",
        "spec.workers.template.metadata.labels.*",
        "status.conditions[].lastTransitionTime",
    } <= paths


@pytest.mark.parametrize(("path", "node"), OWN, ids=[path for path, _ in OWN])
def test_the_field(path: str, node: dict[str, Any]) -> None:
    name = path.rsplit(".", maxsplit=1)[-1].removesuffix("[]")
    if not path.endswith(("[]", ".*")):
        assert node["description"].strip().endswith(".")
        assert "``" not in node["description"]
        assert re.fullmatch(r"[a-z][a-zA-Z0-9]*", name)
    assert not {"nullable", "anyOf", "oneOf", "$ref", "title"} & set(node)
    match node["type"]:
        case "string":
            assert {"maxLength", "enum"} & set(node)
        case "integer":
            assert {"format", "minimum", "maximum"} <= set(node)
        case "array":
            assert node["maxItems"] <= 64
            assert node["x-kubernetes-list-type"] in ("map", "atomic")
        case "object" if "additionalProperties" in node:
            assert node["maxProperties"] <= 64
        case "object":
            open_ended = node.get("x-kubernetes-preserve-unknown-fields", False)
            assert "properties" in node or open_ended
            assert not open_ended or path.endswith("template.spec")
        case other:
            assert other == "boolean"
    if re.search(r"timeout|deadline|ttl|interval$|period", name, re.IGNORECASE):
        assert name == "cycleInterval" or "Seconds" in name  # children, not time
    if "enum" in node and name not in FOREIGN_CHOICES:
        assert all(re.fullmatch(r"([A-Z][a-z0-9]*)+[A-Z]*[a-z]*", word) for word in node["enum"])


def test_lists_of_named_things_are_maps() -> None:
    keys = {
        path: node["x-kubernetes-list-map-keys"]
        for path, node in OWN
        if node.get("x-kubernetes-list-type") == "map"
    }
    assert keys == {
        "spec.experts": ["name"],
        "spec.tasks": ["name"],
        "spec.curriculum": ["generation"],
        "status.conditions": ["type"],
    }


def test_every_rule_names_its_fault() -> None:
    rules = [
        rule
        for _, node in fields({"properties": {"": SCHEMA}})
        for rule in node.get("x-kubernetes-validations", [])
    ]
    assert len(rules) >= 60
    for rule in rules:
        assert rule["message"]
        assert rule["reason"] in ("FieldValueInvalid", "FieldValueForbidden")
        assert len(rule["message"]) < 2048
        assert not rule.get("fieldPath", ".").endswith("]")


def test_the_status_has_no_defaults() -> None:
    assert not [path for path, node in OWN if path.startswith("status") and "default" in node]


def test_names_and_columns() -> None:
    assert DEFINITION["metadata"]["name"] == "cycleqdruns.cycleqd.io"
    assert DEFINITION["spec"]["names"]["shortNames"] == ["cqd"]
    assert DEFINITION["spec"]["names"]["categories"] == ["ml"]
    columns = VERSION["additionalPrinterColumns"]
    always = [column["name"].upper() for column in columns if not column.get("priority")]
    wide = [column["name"].upper() for column in columns if column.get("priority") == 1]
    assert always == ["REASON", "GEN", "EVALS", "COVERAGE", "QD", "WORKERS", "AGE"]
    assert wide == ["QUEUE", "FAILED", "MESSAGE"]
