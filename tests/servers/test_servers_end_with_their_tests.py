"""A server that tests started is gone when the test process is, even after SIGKILL."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil

PROGRAM = """
import os, signal, sys
from pathlib import Path
from devcluster.base.processes import ServerProcess
server = ServerProcess(["/bin/sleep", "300"], os.environ, Path(sys.argv[1]))
server.wait_until(lambda: "sleep" in Path(f"/proc/{server.process.pid}/comm").read_text(), 20)
print(server.process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_test_process_takes_its_servers_along(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "log")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert ended.returncode == -9, ended.stderr
    server = int(ended.stdout)
    deadline = time.monotonic() + 20
    while psutil.pid_exists(server) and psutil.Process(server).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the server outlived its tests"
        time.sleep(0.05)
