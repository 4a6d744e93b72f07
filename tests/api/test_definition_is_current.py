"""``manifests/crd/cycleqdruns.yaml`` says what the models say."""

from __future__ import annotations

import subprocess
import sys

from tests.project.repository import ROOT


def test_the_definition_is_current() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "generate-crd"), "--check"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
