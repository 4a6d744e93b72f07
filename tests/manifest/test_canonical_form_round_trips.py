"""The canonical form is JSON, writes defaults out, and reads back as an equal manifest."""

from __future__ import annotations

import json

import pytest

from cycleqd.manifest_reader import canonical, manifest_schema, parse_manifest

from .documents import VALID, Edit, as_yaml, edited

EDITS: list[Edit] = [
    {},
    {"spec.evolution.mutation": {"method": "ChildSVD"}, "spec.evolution.crossover": {}},
    {"spec.evolution.selection": {"method": "Uniform"}, "spec.storage": {"uri": "runs"}},
    {"spec.tasks[0].type": "exact", "spec.tasks[0].items.searchLimit": 5},
    {"metadata.labels": {"a.b/c": "d"}, "spec.evaluation": {"engine": "vllm"}},
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
    assert document["spec"]["archive"] == {"bins": 15, "lowerMargin": 0.85, "upperMargin": 1.15}
    assert document["spec"]["tasks"][0]["maxNewTokens"] == 64
    assert document["spec"]["evolution"]["candidatesPerGeneration"] == 8


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
