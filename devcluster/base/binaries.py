"""Programs that `scripts/build-tools` builds, found by name, and built where they are missing."""

from __future__ import annotations

import subprocess
import sys
import threading
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
    return {path.name: path for path in build(module)}


def build(*modules: str) -> list[Path]:
    """The programs of some modules; what is missing is built, and its progress shown.

    Raises:
        ToolMissingError: building failed, for want of Go or a network.
    """
    command = [sys.executable, str(ROOT / "scripts" / "build-tools"), *modules]
    news: list[str] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace"
    ) as building:
        assert building.stdout is not None
        assert building.stderr is not None
        limit = threading.Timer(BUILD_SECONDS, building.terminate)
        limit.start()
        try:
            for line in building.stderr:
                news.append(line)
                print(line, end="", file=sys.stderr, flush=True)
            paths = building.stdout.read()  # a few lines, written when all is built
        finally:
            limit.cancel()
    if building.returncode != 0:
        why = "".join(news)[-600:].strip()
        raise ToolMissingError(f"{', '.join(modules)} cannot be built here: {why}")
    return [Path(line) for line in paths.splitlines()]


def binary(name: str, module: str | None = None) -> Path:
    """The path of one program, of the module of its own name by default.

    Raises:
        ToolMissingError: building failed.
    """
    return tool(module or name)[name]
