"""What a registry shows of the chart is what is in it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from cycleqd.manifest.reader import parse_manifest

from .rendering import CHART, MANIFESTS

CHART_FILE = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
SHOWN: dict[str, str] = CHART_FILE["annotations"]
CRD = yaml.safe_load((MANIFESTS / "crd" / "cycleqdruns.yaml").read_text("utf-8"))


def listed(name: str) -> list[dict[str, Any]]:
    found = yaml.safe_load(SHOWN[f"artifacthub.io/{name}"])
    assert isinstance(found, list)
    return found


def test_every_annotation_is_a_text() -> None:
    assert {type(value) for value in SHOWN.values()} == {str}


def test_images_are_those_of_the_values() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    named = {
        "operator": values["image"],
        "worker": values["worker"]["image"],
        "ui": values["ui"]["image"],
    }
    assert {each["name"]: each["image"] for each in listed("images")} == {
        name: f"{image['repository']}:{CHART_FILE['appVersion']}" for name, image in named.items()
    }


def test_the_crd_is_the_one_it_has() -> None:
    (told,) = listed("crds")
    assert told["name"] == CRD["metadata"]["name"]
    assert told["kind"] == CRD["spec"]["names"]["kind"]
    assert told["version"] in [version["name"] for version in CRD["spec"]["versions"]]


@pytest.mark.parametrize("example", listed("crdsExamples"), ids=lambda e: e["metadata"]["name"])
def test_the_examples_are_manifests(example: dict[str, Any]) -> None:
    manifest = parse_manifest(json.dumps(example), "example")
    assert manifest.metadata.name == example["metadata"]["name"]


def test_the_page_needs_the_version_that_the_chart_does() -> None:
    least = CHART_FILE["kubeVersion"].removeprefix(">=").removesuffix(".0-0")
    assert f"Kubernetes {least} or later" in (CHART / "README.md").read_text("utf-8")
