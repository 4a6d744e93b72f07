"""A cgroup folder for each node, since two kubelets in one would delete each other's pods.

Both layouts are met: version 1 with a hierarchy for each controller, and the unified version 2.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
REMOVE_SECONDS = 20.0


def hierarchies() -> list[Path]:
    """The roots of all hierarchies."""
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS]
    roots = (path for path in CGROUPS.iterdir() if path.is_dir() and not path.is_symlink())
    return sorted(path for path in roots if (path / "cgroup.procs").exists())


def make(name: str) -> None:
    """Make the folder in every hierarchy, with all CPUs and memory nodes."""
    for root in hierarchies():
        folder = root / name
        folder.mkdir(exist_ok=True)
        for setting in ("cpuset.cpus", "cpuset.mems"):
            if root.name == "cpuset" and not (folder / setting).read_text().strip():
                (folder / setting).write_text((root / setting).read_text())
        if root == CGROUPS:
            controllers = (root / "cgroup.controllers").read_text().split()
            for level in (root, folder):
                wanted = " ".join(f"+{name}" for name in controllers)
                (level / "cgroup.subtree_control").write_text(wanted)


def remove(name: str) -> None:
    """Remove the folders; their processes have been killed and may still be ending.

    Raises:
        OSError: one is still in use after a while.
    """
    deadline = time.monotonic() + REMOVE_SECONDS
    for root in hierarchies():
        folder = root / name
        while folder.exists():
            try:
                for below, _, _ in os.walk(folder, topdown=False):
                    Path(below).rmdir()
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)


def left(name: str) -> list[Path]:
    """The folders that exist."""
    return [root / name for root in hierarchies() if (root / name).exists()]
