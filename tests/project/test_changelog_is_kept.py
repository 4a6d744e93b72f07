"""CHANGELOG.md keeps the form of Keep a Changelog 1.1.0 and knows the version of the project."""

from __future__ import annotations

import re
import tomllib

from .repository import ROOT

TEXT = (ROOT / "CHANGELOG.md").read_text("utf-8")
VERSIONS = re.findall(r"^## (.+)$", TEXT, re.MULTILINE)
GROUPS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_versions_are_headed_newest_first() -> None:
    assert VERSIONS[0] == "[Unreleased]"
    form = re.compile(r"\[(\d+)\.(\d+)\.(\d+)\] - (\d{4}-\d{2}-\d{2})")
    released = [form.fullmatch(heading) for heading in VERSIONS[1:]]
    assert all(released)
    numbers = [tuple(map(int, match.groups()[:3])) for match in released if match]
    assert numbers == sorted(numbers, reverse=True)


def test_groups_are_the_known_ones() -> None:
    groups = re.findall(r"^### (.+)$", TEXT, re.MULTILINE)
    assert groups
    assert set(groups) <= GROUPS


def test_the_project_version_is_released_or_in_the_making() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    released = [heading.split("]")[0][1:] for heading in VERSIONS[1:]]
    assert not released or released[0] == project["version"]
