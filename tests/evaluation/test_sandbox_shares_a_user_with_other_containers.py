"""In a container, work of the same user in other containers does not stop programs from running.

The kernel counts a user's processes and threads over all containers of a machine, and the pods of
one image run as one user: eight workers on a node of eight GPUs. None of them sees the others.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or shutil.which("unshare") is None,
    reason="needs root and unshare to make two containers of one user",
)

USER = 64321
THREADS = 60

NEIGHBOUR = f"""
import os, threading, time
os.setgid({USER}); os.setuid({USER})
for _ in range({THREADS}):
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
print("busy", flush=True)
time.sleep(60)
"""

PROGRAM = f"""
import encodings.ascii, os, tempfile  # before the user changes, who may not read Python's folder
from cycleqd.evaluation.sandbox.harness import confinement, folders, item, python_item
from cycleqd.evaluation.sandbox.programs import Limits, PythonProgram, ShellProgram
os.setgid({USER}); os.setuid({USER})
base = tempfile.mkdtemp()
walls = confinement.plain(base, None, {{}})
report = item.run(PythonProgram("", "x = 1", "assert x == 1", Limits()), walls)
print(report.status, report.detail)
for count in (20, 200):
    assert folders.remove(walls)
    script = f"for i in $(seq {{count}}); do sleep 3 & done; wait"
    report = item.run(ShellProgram({{}}, script, (), Limits(wall_seconds=30)), walls)
    print(report.status, report.detail)
"""


def container(program: str) -> list[str]:
    """A command that runs a Python program in process and mount namespaces of its own."""
    alone = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    return [*alone, sys.executable, "-c", program]


def test_a_busy_neighbour_is_not_counted_and_a_programs_own_are():
    with subprocess.Popen(container(NEIGHBOUR), stdout=subprocess.PIPE, text=True) as neighbour:
        try:
            assert neighbour.stdout is not None
            assert neighbour.stdout.readline() == "busy\n"
            done = subprocess.run(
                container(PROGRAM), capture_output=True, text=True, check=False, timeout=60
            )
        finally:
            neighbour.kill()
    assert done.returncode == 0, done.stderr[-2000:]
    ends = [line.split()[0] for line in done.stdout.splitlines()]
    # The kernel's limit would count the neighbour's too, so the program's own are looked at.
    assert ends == ["passed", "passed", "limit"], done.stdout
