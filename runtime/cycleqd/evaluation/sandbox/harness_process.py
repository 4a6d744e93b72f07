"""How a harness process is started: in the worker's container, and in one of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from cycleqd.scratch import ScratchFolder

_SOURCE_ROOT = Path(__file__).resolve().parents[3]
_START = (
    "import sys; sys.path.insert(0, sys.argv.pop(1));"
    " from cycleqd.evaluation.sandbox.harness import server;"
    " sys.path.pop(0); server.start()"
)


def start_harness(
    folder: ScratchFolder,
    user: int | None,
    *,
    neighbours: int,
    namespaces: bool,
    modules: Mapping[str, str],
    files: Mapping[str, str],
    line: socket.socket | None = None,
) -> subprocess.Popen[bytes]:
    """Start a harness, with nothing of this process but a folder.

    Args:
        folder: an empty folder for it.
        user: user id for programs, None to share this process's.
        neighbours: how many programs may run beside one of its own.
        namespaces: whether it tries namespaces first.
        modules: the modules of programs, each with the folder where it is found.
        files: where programs find each file that they may ask for.
        line: a socket that it reads and writes; pipes when absent.
    """
    # A file itself: there may be more of them than an argument of a process holds.
    listing = folder.path / "files.json"
    listing.write_text(json.dumps(dict(files)), encoding="ascii")
    stream = subprocess.PIPE if line is None else line.fileno()
    return subprocess.Popen(
        [
            *(sys.executable, "-I", "-S", "-c", _START, str(_SOURCE_ROOT)),
            *(str(folder.path), "" if user is None else str(user), str(neighbours)),
            "yes" if namespaces else "no",
            *(json.dumps(dict(modules)), str(listing)),
        ],
        bufsize=0,
        stdin=stream,
        stdout=stream,
        stderr=subprocess.DEVNULL,
        cwd=folder.path,
        env={"PATH": os.defpath, "LANG": "C.UTF-8", "TZ": "UTC", "MALLOC_ARENA_MAX": "1"},
        start_new_session=True,
        # It may outlive a killed worker for a moment: nobody sweeps its folder meanwhile.
        pass_fds=[folder.lock],
    )
