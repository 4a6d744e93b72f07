"""Paths, values and fields in the documents' kubectl and helm commands are those of this clone."""

from __future__ import annotations

import json
import re
import shlex
from itertools import pairwise
from typing import Any

import pytest
import yaml

from .repository import ROOT, documents

BLOCK = re.compile(r"^```console\n(.*?)^```", re.DOTALL | re.MULTILINE)
CHART = "charts/cycleqd-operator"
KUSTOMIZATIONS = ("kustomization.yaml", "Kustomization")


def _shown(program: str) -> list[list[str]]:
    found = []
    for path in documents():
        for block in BLOCK.findall(path.read_text("utf-8").replace("\\\n", " ")):
            words = (shlex.split(line, comments=True) for line in block.splitlines())
            found += [line for line in words if line[:1] == [program]]
    return found


KUBECTL, HELM = _shown("kubectl"), _shown("helm")


def _after(line: list[str], *options: str) -> list[str]:
    return [value for option, value in pairwise(line) if option in options]


def test_kustomizations() -> None:
    named = {folder for line in KUBECTL for folder in _after(line, "-k")}
    assert "manifests/examples/cluster/quickstart" in named
    missing = [f for f in named if not any((ROOT / f / name).exists() for name in KUSTOMIZATIONS)]
    assert missing == []


def test_chart_and_its_values() -> None:
    installs = [line for line in HELM if line[1] in {"install", "upgrade"}]
    assert installs
    values: Any = yaml.safe_load((ROOT / CHART / "values.yaml").read_text("utf-8"))
    for line in installs:
        assert CHART in line
        for setting in _after(line, "--set"):
            found = values
            for key in setting.partition("=")[0].split("."):
                assert key in found, setting
                found = found[key]


@pytest.mark.parametrize("line", [line for line in KUBECTL if line[1] == "patch"], ids=str)
def test_patches_are_of_fields_that_exist(line: list[str]) -> None:
    crd = yaml.safe_load((ROOT / "manifests/crd/cycleqdruns.yaml").read_text("utf-8"))
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]

    def check(document: dict[str, Any], known: dict[str, Any]) -> None:
        for key, value in document.items():
            assert key in known["properties"]
            if isinstance(value, dict):
                check(value, known["properties"][key])

    (patch,) = _after(line, "-p")
    check(json.loads(patch), schema)
