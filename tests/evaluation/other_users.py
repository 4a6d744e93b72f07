"""Processes of another user than this one: what a worker, or another container, is in a pod."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

PROBE = (
    "import os, sys; sys.exit(sys.version_info < (3, 11) or not os.access(sys.executable, os.X_OK))"
)


def python_of(user: int = 65534, *groups: int) -> list[str]:
    """A command that runs a suitable Python as another user than root.

    Args:
        user: number of the user and of its group.
        groups: more groups of his.
    """
    if os.geteuid() != 0:
        return [sys.executable]
    if shutil.which("setpriv") is None:
        pytest.skip("no setpriv on this machine")
    more = f"--groups={','.join(map(str, groups))}" if groups else "--clear-groups"
    for python in (sys.executable, "/usr/bin/python3"):
        command = ["setpriv", f"--reuid={user}", f"--regid={user}", more, python]
        # A Python in root's home cannot be run by others.
        probe = subprocess.run(
            [*command, "-c", PROBE], check=False, capture_output=True, timeout=60
        )
        if probe.returncode == 0:
            return command
    pytest.skip("no Python that an unprivileged user may run")
