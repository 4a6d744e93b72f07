"""Style, types and the direction of imports hold: what `make lint` checks, the tests check."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cycleqd.store.cache import cache_folder

from .repository import ROOT, python_scripts

BIN = Path(sys.executable).parent
SCRIPTS = [str(path.relative_to(ROOT)) for path in python_scripts()]

COMMANDS = {
    "style": ["ruff", "check", "--output-format=concise", ".", *SCRIPTS],
    "format": ["ruff", "format", "--check", ".", *SCRIPTS],
    "types": ["mypy"],
    "imports": ["lint-imports"],
    "pre-commit": ["pre-commit", "validate-config"],
}


@pytest.mark.parametrize("check", COMMANDS)
def test_clean(check: str) -> None:
    tool, *arguments = COMMANDS[check]
    done = subprocess.run(
        [str(BIN / tool), *arguments],
        cwd=ROOT,
        # What mypy knows of the libraries holds for fresh clones too.
        env={**os.environ, "COLUMNS": "100", "MYPY_CACHE_DIR": str(cache_folder() / "tests/mypy")},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_make_lint_and_pre_commit_run_the_same_tools() -> None:
    shown = subprocess.run(
        ["make", "--dry-run", "lint"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    hooks = (ROOT / ".pre-commit-config.yaml").read_text("utf-8")
    for tool in ("ruff check", "ruff format", "mypy", "lint-imports"):
        assert f".venv/bin/{tool}" in shown
        assert f"entry: .venv/bin/{tool}" in hooks
