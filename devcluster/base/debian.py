"""Installing Debian's packages, which root can."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from devcluster.base.commands import run, step
from devcluster.base.locks import held

if TYPE_CHECKING:
    from collections.abc import Sequence

INSTALL_SECONDS = 900.0
LOCK = Path("/run/lock/cycleqd-apt")


def can_install() -> bool:
    """Whether this process may install packages."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(packages: Sequence[str]) -> None:
    """Install packages, which says that it does.

    Tests that stand side by side may want packages at the same time, and apt waits for nobody.

    Raises:
        CommandError: it failed.
        TimeoutError: another call is still at it.
    """
    with held(LOCK, 2 * INSTALL_SECONDS), step(f"installing {' '.join(packages)}"):
        env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        run("apt-get", "update", "--quiet", seconds=INSTALL_SECONDS, env=env)
        options = ["--quiet", "--yes", "--no-install-recommends"]
        run("apt-get", "install", *options, *packages, seconds=INSTALL_SECONDS, env=env)
