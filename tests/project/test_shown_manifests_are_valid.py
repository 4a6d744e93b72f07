"""Manifests in the documents and in manifests/examples are valid as they stand."""

from __future__ import annotations

import re

import pytest

from cycleqd.manifest.reader import parse_manifest

from .repository import ROOT, documents

BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.DOTALL | re.MULTILINE)
EXAMPLES = sorted((ROOT / "manifests" / "examples").glob("*.yaml"))
SHOWN = {
    f"{path.name}-{number}": block
    for path in documents()
    for number, block in enumerate(BLOCK.findall(path.read_text("utf-8")))
    if "kind: CycleQDRun" in block
} | {path.name: path.read_text("utf-8") for path in EXAMPLES}


@pytest.mark.parametrize("name", SHOWN)
def test_valid(name: str) -> None:
    assert parse_manifest(SHOWN[name], name).spec.tasks


def test_the_readme_shows_one() -> None:
    assert "README.md-0" in SHOWN
