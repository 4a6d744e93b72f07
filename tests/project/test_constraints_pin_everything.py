"""Every direct requirement has one pinned version that satisfies it and can be had anywhere."""

from __future__ import annotations

import importlib.metadata
import tomllib
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from .repository import ROOT, load_script

if TYPE_CHECKING:
    from pathlib import Path

SETUP = load_script("setup")
IMAGES = load_script("lock-image")
VLLM_CPU = SETUP.vllm_cpu


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text("utf-8").splitlines() if line and line[0] != "#"]


OF_IMAGES, OF_DEVELOPMENT = (_lines(path) for path in SETUP.CONSTRAINTS)
LINES = [*OF_IMAGES, *OF_DEVELOPMENT]
PINS = {canonicalize_name(line.split("==")[0]): Version(line.split("==")[1]) for line in LINES}
INSTALLED = {
    canonicalize_name(distribution.metadata["Name"])
    for distribution in importlib.metadata.distributions()
}


def _direct() -> list[Requirement]:
    document = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    project, groups = document["project"], document["dependency-groups"]
    extras = project["optional-dependencies"]
    lists = [project["dependencies"], *(extras[name] for name in SETUP.EXTRAS.split(","))]
    lists += groups.values()
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


def _in_images() -> set[str]:
    """What the images hold, by the metadata of what is installed here."""
    asked = [*IMAGES.requirements(ROOT / "pyproject.toml", ["operator", "ui", "pod"])]
    asked += VLLM_CPU.requirements() if VLLM_CPU.WHEEL.split("==")[0] in INSTALLED else []
    waiting = [(Requirement(text), ("",)) for text in asked]
    found: set[tuple[str, tuple[str, ...]]] = set()
    while waiting:
        requirement, of_extras = waiting.pop()
        marker = requirement.marker
        if marker and not any(marker.evaluate({"extra": extra}) for extra in of_extras):
            continue
        extras = ("", *sorted(requirement.extras))
        name = canonicalize_name(requirement.name)
        if (name, extras) not in found and name in INSTALLED:
            found.add((name, extras))
            below = importlib.metadata.requires(name) or []
            waiting += [(Requirement(text), extras) for text in below]
    return {name for name, _ in found}


def test_a_version_that_an_image_needs_is_not_pinned_for_development_alone() -> None:
    images = _in_images()
    assert {"kopf", "boto3", "torch", "transformers", "mlflow-skinny"} <= images
    development = {canonicalize_name(line.split("==")[0]) for line in OF_DEVELOPMENT}
    assert images & development == set()
