"""Tracked files work on any machine: no paths of this one, no registry by name, nothing large."""

from __future__ import annotations

import re

import pytest

from .repository import ROOT, tracked_files

LARGEST = 4 << 20

# Written in pieces, so that this file does not match itself.
MACHINE_PATHS = re.compile("|".join(["/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/", "/Us" + "ers/"]))
REGISTRIES = re.compile(
    "|".join(
        re.escape(host)
        for host in [
            "py" + "pi.org",
            "files.python" + "hosted.org",
            "proxy.go" + "lang.org",
            "sum.go" + "lang.org",
            "registry.np" + "mjs.org",
            "registry-1.doc" + "ker.io",
            "download.pyt" + "orch.org",
        ]
    )
)


# The sandbox's attackers look for people's files on purpose.
ATTACKERS = "tests/evaluation/"


def _texts() -> list[tuple[str, str]]:
    found = []
    for path in tracked_files():
        data = path.read_bytes()
        if b"\0" not in data:
            found.append((str(path.relative_to(ROOT)), data.decode("utf-8")))
    return found


@pytest.mark.parametrize("pattern", [MACHINE_PATHS, REGISTRIES], ids=["machine", "registry"])
def test_names_no(pattern: re.Pattern[str]) -> None:
    hits = [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in _texts()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line) and not (pattern is MACHINE_PATHS and name.startswith(ATTACKERS))
    ]
    assert hits == []


def test_nothing_is_large() -> None:
    large = {
        str(path.relative_to(ROOT)): path.stat().st_size
        for path in tracked_files()
        if path.stat().st_size > LARGEST
    }
    assert large == {}


def test_results_and_environments_are_not_tracked() -> None:
    tops = {path.relative_to(ROOT).parts[0] for path in tracked_files()}
    assert tops.isdisjoint({".venv", "out", "dist", ".mypy_cache", ".ruff_cache"})


def test_scripts_can_be_executed() -> None:
    scripts = [p for p in tracked_files() if p.read_bytes()[:2] == b"#!"]
    assert scripts
    assert [str(p.relative_to(ROOT)) for p in scripts if not p.stat().st_mode & 0o100] == []
