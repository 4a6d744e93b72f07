"""The examples' models and items in out/demo, made once for everyone on this machine who asks."""

from __future__ import annotations

import sys
from pathlib import Path

from devcluster.base.binaries import ROOT
from devcluster.base.commands import run
from devcluster.base.locks import held

FOLDER = ROOT / "out" / "demo"
SECONDS = 3600.0


def make(preset: str) -> None:
    """Make a preset of `cycleqd demo-experts`, where it is missing.

    The command refuses to work beside another one in its folder; here the later one waits.

    Raises:
        CommandError: the command failed.
        TimeoutError: another process has been making it for too long.
    """
    with held(FOLDER / f".{preset}.lock", SECONDS):
        command = Path(sys.executable).with_name("cycleqd")
        run(command, "demo-experts", "--preset", preset, cwd=ROOT, seconds=SECONDS)
