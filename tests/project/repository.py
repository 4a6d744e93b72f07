"""The repository as these tests see it: tracked files, documents, scripts as modules."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]


@cache
def tracked_files() -> tuple[Path, ...]:
    """What a clone holds, and what would be committed next."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if listing.returncode != 0:
        pytest.skip("not a git clone, so which files are tracked is unknown")
    paths = (ROOT / name for name in listing.stdout.split("\0") if name)
    return tuple(path for path in paths if path.is_file())


def documents() -> list[Path]:
    """Markdown files for people, in the repository's root and in docs."""
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def python_scripts() -> list[Path]:
    """Files of scripts/ that Python runs; they have no suffix."""
    files = (path for path in (ROOT / "scripts").iterdir() if path.is_file())
    return sorted(p for p in files if p.read_text("utf-8").startswith("#!/usr/bin/env python3\n"))


def load_script(name: str) -> ModuleType:
    """A file of scripts/ as a fresh module; it is not run."""
    loader = SourceFileLoader(f"script_{name}", str(ROOT / "scripts" / name))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    sys.modules[loader.name] = module  # dataclasses look their module up
    sys.path.insert(0, str(ROOT / "scripts"))  # as for a script that is run
    try:
        loader.exec_module(module)
    finally:
        sys.path.pop(0)
    return module
