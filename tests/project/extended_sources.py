"""The examples of ``docs/extending.md``, and the sources with them added."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .repository import ROOT

PAGE = (ROOT / "docs" / "extending.md").read_text("utf-8")
EXAMPLE = re.compile(
    r"^`(\S+\.py)`:\n\n```python\n(.*?)^```\n\n```diff\n(.*?)^```", re.DOTALL | re.MULTILINE
)
"""A path, what to write there, and the registry's line."""


@dataclass(frozen=True)
class Example:
    """An addition: one file and one line."""

    path: str
    source: str
    diff: str


EXAMPLES = [Example(*found) for found in EXAMPLE.findall(PAGE)]


class ExtendedSources:
    """A copy of the sources with the examples, and programs that use it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for part in ("runtime", "operator", "scripts", "tests"):
            ignored = shutil.ignore_patterns("__pycache__", "tools", "operator.egg-info")
            shutil.copytree(ROOT / part, folder / part, ignore=ignored)
        for example in EXAMPLES:
            target = folder / example.path
            assert not target.exists()
            target.write_text(example.source)
            command = ["git", "apply", "--verbose", "-"]
            self._run(command, example.diff, dict(os.environ, GIT_CEILING_DIRECTORIES=str(folder)))

    def python(self, *arguments: str, text: str = "") -> str:
        """What Python prints with these sources."""
        paths = [self.folder / "runtime", self.folder / "operator", self.folder]
        environment = dict(os.environ, PYTHONPATH=os.pathsep.join(map(str, paths)))
        return self._run([sys.executable, *arguments], text, environment)

    def _run(self, command: list[str], text: str, environment: dict[str, str]) -> str:
        done = subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=self.folder,
            env=environment,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def changed(self) -> dict[str, tuple[int, int]]:
        """By path, the lines that the examples added to the runtime's sources and took away."""
        listing = subprocess.run(
            ["git", "diff", "--no-index", "--numstat", "-z", "runtime", self.folder / "runtime"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=ROOT,
        ).stdout.split("\0")
        changes = {}
        # With -z: the counts, then the path on either side, each ended by a NUL.
        for counts, _, after in zip(*[iter(listing)] * 3, strict=False):
            added, removed, _ = counts.split("\t")
            if "__pycache__" not in after and after.endswith(".py"):
                changes[str(Path(after).relative_to(self.folder))] = (int(added), int(removed))
        return changes
