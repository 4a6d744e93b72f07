"""What a program does to its folder fails that program only: the next one finds the slot as new.

That no attack stops the next program is asserted with each of ``attacks.py``; here are the
harness's own process, what is read back, the folder that even force cannot empty, and whose fault
it is where nothing runs.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cycleqd.errors import SandboxUnavailable
from cycleqd.evaluation.sandbox import Limits, PythonProgram, Report, Sandbox, ShellProgram
from cycleqd.evaluation.sandbox import harness_process as module

pytestmark = pytest.mark.timeout(120)

SHUT = {
    "kept": "echo text > x",
    "shut file": "echo text > x; chmod 000 x",
    "shut folder": "echo text > x; chmod 000 .",
    "shut everything": "echo text > x; chmod 000 x . .. 2>/dev/null; true",
}


@pytest.mark.parametrize("name", SHUT)
def test_shut_files_are_read_back_by_the_same_harness(sandbox: Sandbox, name: str) -> None:
    sandbox.run([ShellProgram({}, "true")])
    harness = sandbox._harnesses[0]._lines
    report, after = sandbox.run(
        [ShellProgram({}, SHUT[name], ("x",)), ShellProgram({"y": "new"}, "ls -A; pwd", ("x", "y"))]
    )
    assert report.status == "passed"
    assert report.files == {"x": "text\n"}
    assert after.stdout.splitlines()[0] == "y"
    assert after.files == {"y": "new"}
    assert sandbox._harnesses[0]._lines is harness


@pytest.mark.skipif(shutil.which("mount") is None, reason="needs mount")
def test_what_even_force_cannot_empty_is_left_for_a_fresh_folder() -> None:
    """Something mounted there: no program can do that, but nothing else resists root."""
    place = None
    with Sandbox(namespaces=False) as box:
        if box.confinement != "plain":
            pytest.skip("this machine gives namespaces only")
        folder = box._harnesses[0]._folder
        process = box._harnesses[0]._process
        assert folder is not None
        (place,) = folder.path.glob("box-*")
        home = place / "home" / "sub"
        script = "mkdir sub; while ! [ -e sub/mounted ]; do sleep 0.05; done; echo seen"
        reports: list[Report] = []
        running = threading.Thread(
            target=lambda: reports.extend(
                box.run([ShellProgram({}, script, (), Limits(cpu_seconds=5, wall_seconds=20))])
            )
        )
        running.start()
        try:
            _wait_for(home)
            mounted = subprocess.run(
                ["mount", "-t", "tmpfs", "none", str(home)], check=False, capture_output=True
            )
            if mounted.returncode != 0:
                pytest.skip("this user may not mount")
            (home / "mounted").touch()
            home.chmod(0o755)
            running.join(30)
            assert [report.stdout for report in reports] == ["seen\n"]
            for _ in range(2):
                (after,) = box.run([ShellProgram({}, f"ls -A; ls {place} 2>&1; pwd")])
                assert after.status == "passed"
                assert "Permission denied" in after.stdout
                assert not after.stdout.endswith(f"{place}/home\n")
            assert box._harnesses[0]._process is process
            assert len(list(folder.path.glob("box-*"))) == 2
        finally:
            running.join(30)
            subprocess.run(["umount", str(home)], check=False, capture_output=True)
    assert not folder.path.exists()


INNOCENT = PythonProgram("", "x = 1", "assert x == 1")
FAULTS = {
    "memory that holds no process": PythonProgram(
        "", "x = bytes(1 << 24)", "", Limits(memory_bytes=1 << 12)
    ),
    "killed by itself": ShellProgram({}, "echo text; kill -9 $$"),
    "python killed by itself": PythonProgram(
        "", "import resource as r\nr.setrlimit(r.RLIMIT_CPU, (0, 0))\nwhile True: pass", ""
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_no_attempt_contains_is_that_programs_own_fault(sandbox: Sandbox, name: str) -> None:
    before, faulty, after = sandbox.run([INNOCENT, FAULTS[name], INNOCENT])
    assert faulty.status in {"failed", "timeout"}
    assert faulty.detail
    assert [before.status, after.status] == ["passed", "passed"]


# A process that starts and runs nothing, as on a machine that has just lost its memory: it starts
# as many times as the file that it is given has lines.
STUB = """
import json, os, sys
left = open({path!r}).read().splitlines()
open({path!r}, "w").write("\\n".join(left[1:]))
if not left:
    print(json.dumps({{"unavailable": "no memory left"}}), flush=True)
    sys.exit()
print(json.dumps({{"ready": "plain"}}), flush=True)
for line in sys.stdin:
    print(json.dumps({{"unavailable": "no process"}}), flush=True)
    break
"""


@pytest.mark.parametrize("starts", range(4))
def test_the_machine_is_blamed_where_no_harmless_program_runs_any_more(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, starts: int
) -> None:
    listing = tmp_path / "starts"
    listing.write_text("start\n" * starts)
    monkeypatch.setattr(module, "_START", STUB.format(path=str(listing)))
    with Sandbox() as box:
        if starts < 3:
            with pytest.raises(SandboxUnavailable, match="no memory left"):
                box.run([INNOCENT])
        else:
            assert box.run([INNOCENT]) == [Report("failed", "no process")]


def test_programs_go_before_the_worker_where_memory_runs_out(any_sandbox: Sandbox) -> None:
    any_sandbox.run([INNOCENT])
    process = any_sandbox._harnesses[0]._process
    assert process is not None
    own, its = (
        int(Path(f"/proc/{number}/oom_score_adj").read_text()) for number in ("self", process.pid)
    )
    assert its == min(1000, own + 500)


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 10
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert path.exists(), sys.platform
