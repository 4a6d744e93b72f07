"""Process 1 of a node: starts its programs, and takes the whole node along when it ends.

It runs in namespaces of its own for network, mounts and processes. When it is killed, the kernel
kills every process of the node, containers too, and with them go their mounts: a node can be lost
at once, as by a power cut, and none can leave anything behind. /run and the like are private, so
that two container runtimes on one machine do not meet.

Usage: node_init.py FILE, a JSON document:
    folders    mounted over by empty, private ones
    programs   in order of start: {name, command, log, waits_for}; a program is started as soon as
               the file `waits_for` exists, and again a second after it ended
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

LOOK_SECONDS = 0.1
RESTART_SECONDS = 1.0


def mount_private(folders: list[str]) -> None:
    """Hide folders of the host behind empty ones; mounts below may be shared within the node."""
    for folder in folders:
        Path(folder).mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", folder], check=True)
    subprocess.run(["mount", "--make-rshared", "/"], check=True)


def start(command: list[str], log: Path) -> int:
    """Start one program; returns its process id."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        ).pid


def main() -> int:
    """Run the node until it is told to end."""
    document = json.loads(Path(sys.argv[1]).read_text())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    mount_private(document["folders"])
    waiting = {program["name"]: 0.0 for program in document["programs"]}
    running: dict[int, str] = {}
    while True:
        for program in document["programs"]:
            name, needed = program["name"], program["waits_for"]
            due = name in waiting and time.monotonic() >= waiting[name]
            if due and (not needed or Path(needed).exists()):
                running[start(program["command"], Path(program["log"]))] = name
                del waiting[name]
        # Orphans of the containers end up here too.
        while True:
            try:
                ended, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if ended == 0:
                break
            if ended in running:
                waiting[running.pop(ended)] = time.monotonic() + RESTART_SECONDS
        time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
