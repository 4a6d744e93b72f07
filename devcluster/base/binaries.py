"""Programs that `scripts/build-tools` builds, found by name, and built where they are missing."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD_SECONDS = 3000


class ToolMissingError(Exception):
    """A program could not be built here; the message says why."""


@cache
def tool(module: str) -> dict[str, Path]:
    """The programs of one module of `scripts/tools`, by name.

    Raises:
        ToolMissingError: building failed, for want of Go or a network.
    """
    command = [sys.executable, str(ROOT / "scripts" / "build-tools"), module]
    built = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=BUILD_SECONDS
    )
    if built.returncode != 0:
        raise ToolMissingError(f"{module} cannot be built here: {built.stderr[-600:].strip()}")
    return {Path(line).name: Path(line) for line in built.stdout.splitlines()}


def binary(name: str, module: str | None = None) -> Path:
    """The path of one program, of the module of its own name by default.

    Raises:
        ToolMissingError: building failed.
    """
    return tool(module or name)[name]
