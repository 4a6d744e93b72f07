"""``docs/manifest.md`` says what the models say, and its example is a valid manifest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .wrong import problems_of

ROOT = Path(__file__).resolve().parents[2]


def test_the_reference_is_current() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "generate-docs"), "--check"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_its_example_is_valid() -> None:
    text = (ROOT / "docs" / "manifest.md").read_text("utf-8")
    example = text.split("```yaml\n")[1].split("```")[0]
    assert problems_of(example) == ()
