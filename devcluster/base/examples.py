"""The examples' models and items in out/demo, made once for everyone on this machine who asks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from devcluster.base.binaries import ROOT
from devcluster.base.commands import follow
from devcluster.base.locks import held

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = ROOT / "out" / "demo"
SECONDS = 3600.0
USUAL_SECONDS = {"tiny": 60, "smollm2": 180}


def make(preset: str, tell: Callable[[str], None] = lambda _: None) -> None:
    """Make a preset of `cycleqd demo-experts`, where it is missing.

    The command refuses to work beside another one in its folder; here the later one waits.

    Args:
        preset: its name.
        tell: takes each line of the command's progress.

    Raises:
        CommandError: the command failed.
        TimeoutError: another process has been making it for too long.
    """
    with held(FOLDER / f".{preset}.lock", SECONDS):
        command = Path(sys.executable).with_name("cycleqd")
        arguments = ["demo-experts", "--preset", preset]
        follow(command, *arguments, cwd=ROOT, seconds=SECONDS, tell=tell)
