"""The canonical form is JSON, writes defaults out, and reads back as an equal manifest."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cycleqd.manifest.reader import parse_manifest
from cycleqd.manifest.schema import canonical, manifest_schema
from cycleqd.manifest.values import DECIMAL_PATTERN, decimal_text
from cycleqd.run.revision import parse_stored_manifest

from .documents import VALID, Edit, as_yaml, edited

EDITS: list[Edit] = [
    {},
    {"spec.evolution.mutation": {"method": "ChildSVD"}, "spec.evolution.crossover": {}},
    {"spec.evolution.selection": {"method": "Uniform"}, "spec.storage": {"uri": "runs"}},
    {"spec.tasks[0].type": "exact", "spec.tasks[0].items.searchLimit": 5},
    {"spec.evolution.aggregate": {"method": "Front", "members": 5}},
    {"spec.evolution.selection": {"partner": "Attraction"}},
    {
        "spec.tasks[0].chat": True,
        "spec.tasks[0].chatTemplateFrom": "sql",
        "spec.tasks[0].systemMessage": "Be brief.\n",
        "spec.experts[1].vocabulary": "Base",
    },
    {"spec.tracking": {"mlflow": {"uri": "https://mlflow.lab/team", "registeredModel": "agents"}}},
    {"metadata.labels": {"a.b/c": "d"}, "spec.evaluation": {"engine": "vllm"}},
    {"spec.evaluation.sandbox": "Process"},
]


@pytest.mark.parametrize("edit", EDITS)
def test_round_trip(edit: Edit) -> None:
    manifest = parse_manifest(as_yaml(edited(edit)), "run.yaml")
    document = canonical(manifest)
    again = parse_manifest(json.dumps(document), "run.json")
    assert again == manifest
    assert canonical(again) == document


def test_defaults_are_written_out() -> None:
    document = canonical(parse_manifest(VALID, "run.yaml"))
    assert document["spec"]["archive"] == {"bins": 15, "lowerMargin": "0.85", "upperMargin": "1.15"}
    assert document["spec"]["tasks"][0]["maxNewTokens"] == 64
    assert document["spec"]["evolution"]["candidatesPerGeneration"] == 8


def test_fields_that_came_later_leave_the_form_of_older_runs_as_it_was() -> None:
    spec = canonical(parse_manifest(VALID, "run.yaml"))["spec"]
    assert set(spec["tasks"][0]) == {
        "chat", "items", "maxNewTokens", "name", "stop", "timeoutSeconds", "type"
    }  # fmt: skip
    assert set(spec["experts"][0]) == {"name", "uri"}
    assert "tracking" not in spec
    evolution = spec["evolution"]
    assert evolution["aggregate"] == {"temperature": "1", "topPerArchive": 1}
    assert evolution["selection"] == {"method": "Elite", "low": "0.5", "high": "0.8"}
    assert set(spec["evaluation"]) == {
        "dtype", "engine", "gpuMemoryUtilization", "maxModelLen", "memoryLimitMib"
    }  # fmt: skip


def test_the_schema_is_structural_and_described() -> None:
    schema = manifest_schema()
    text = json.dumps(schema)
    assert "$ref" not in text
    assert "anyOf" not in text
    undescribed = []

    def walk(node: dict[str, object], path: str) -> None:
        properties = node.get("properties", {})
        assert isinstance(properties, dict)
        for name, part in properties.items():
            if not part.get("description") or "type" not in part:
                undescribed.append(f"{path}.{name}")
            walk(part.get("items", part), f"{path}.{name}")

    walk(schema, "")
    assert undescribed == []
    assert schema["properties"]["spec"]["properties"]["tasks"]["items"]["additionalProperties"] is (
        False
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.3, "0.3"), (1.0, "1"), (10, "10"), (3e-05, "0.00003"), (1e9, "1000000000"), (0.0, "0")],
)
def test_a_number_has_one_spelling(value: float, text: str) -> None:
    assert decimal_text(value) == text
    assert float(text) == value


@given(st.from_regex(DECIMAL_PATTERN, fullmatch=True))
def test_any_spelling_of_a_number_leads_to_it(written: str) -> None:
    text = decimal_text(float(written))
    assert re.fullmatch(DECIMAL_PATTERN, text)
    assert float(text) == float(written)
    assert decimal_text(float(text)) == text


def test_numbers_without_quotes_are_read_from_stores_of_the_first_release() -> None:
    document = canonical(parse_manifest(VALID, "run.yaml"))
    document["spec"]["archive"]["lowerMargin"] = 0.85
    document["spec"]["tasks"][0]["timeoutSeconds"] = 5.0
    assert parse_stored_manifest(document) == parse_manifest(VALID, "run.yaml")
