"""What images of a release are installed from names every package with its version and hashes.

The lists satisfy what pyproject.toml asks for, have the versions of constraints.txt, and say
nothing of the index that told the hashes.
"""

from __future__ import annotations

import re

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from .repository import ROOT, load_script

SCRIPT = load_script("lock-image")
LINE = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^]]+\])?==(\S+?)(?: ; [^\\]+)?( \\)?")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")


def pins(text: str) -> dict[str, Version]:
    lines = [line for line in text.splitlines() if "==" in line and not line.startswith("#")]
    found = (re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]+\])?==([^ ;]+)", line) for line in lines)
    return {canonicalize_name(match[1]): Version(match[2]) for match in found if match}


def read(name: str) -> str:
    return (ROOT / "locks" / f"{name}.txt").read_text("utf-8")


@pytest.mark.parametrize("name", SCRIPT.NAMES)
def test_every_line_is_a_version_or_a_hash(name: str) -> None:
    lines = read(name).removeprefix(SCRIPT.HEADER).splitlines()
    kinds = "".join(
        "p" if LINE.fullmatch(line) else "h" if HASH.fullmatch(line) else "?" for line in lines
    )
    assert re.fullmatch("(ph+)+", kinds)


@pytest.mark.parametrize("name", SCRIPT.NAMES)
def test_versions_are_those_that_are_asked_for(name: str) -> None:
    found, known = pins(read(name)), pins(SCRIPT.constraints(name))
    for requirement in map(Requirement, SCRIPT.asked(name)):
        assert found[canonicalize_name(requirement.name)] in requirement.specifier
    assert {p: v for p, v in found.items() if p in known and known[p] != v} == {}


@pytest.mark.parametrize("name", SCRIPT.NAMES)
def test_the_dockerfile_installs_the_list_with_its_hashes_alone(name: str) -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", "")
    commands = [
        line
        for line in text.splitlines()
        if f"--requirement locks/{name}.txt" in line
        or f"--requirement /build/locks/{name}.txt" in line
    ]
    assert commands
    assert all("--require-hashes --only-binary :all:" in " ".join(c.split()) for c in commands)
