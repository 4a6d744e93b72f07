"""Where programs cannot be contained the sandbox says so, with what to change, and runs nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from cycleqd.errors import SandboxUnavailable
from cycleqd.evaluation.sandbox import PythonProgram, Sandbox
from cycleqd.evaluation.sandbox.harness import confinement, landlock, seccomp

pytestmark = pytest.mark.timeout(120)

ONE_PROGRAM = """
from cycleqd.evaluation.sandbox import PythonProgram, Sandbox
with Sandbox() as box:
    print(box.run([PythonProgram("", "", "")])[0].status)
"""


def test_neither_root_nor_namespaces_nor_landlock(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(confinement.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(landlock, "abi", lambda: 0)
    with pytest.raises(confinement.Unconfinable, match=r"boot Linux 5\.13\+ with lsm=landlock"):
        confinement.plain(str(tmp_path), None, {})


def test_root_without_the_right_to_change_users(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(confinement.os, "geteuid", lambda: 0)
    with pytest.raises(confinement.Unconfinable, match="SETUID, SETGID, CHOWN and KILL"):
        confinement.plain(str(tmp_path), None, {})


def test_a_folder_that_the_programs_user_cannot_get_through() -> None:
    with TemporaryDirectory() as shut:
        below = Path(shut) / "below"
        below.mkdir()
        with pytest.raises(confinement.Unconfinable, match=rf"chmod o\+x {shut}\).*set TMPDIR"):
            confinement.plain(str(below), 64_999, {})


def test_a_machine_without_a_filter_table() -> None:
    with pytest.raises(OSError, match="no system call filter for riscv64"):
        seccomp.program(deny_processes=True, deny_signals=True, machine="riscv64")


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_filters_fit_the_kernels_jumps(machine: str) -> None:
    program = seccomp.program(
        deny_processes=True, deny_signals=True, deny_truncation=True, machine=machine
    )
    count = len(program) // 8
    assert count < 4096
    for i in range(count):
        code, if_true, if_false = program[8 * i], program[8 * i + 2], program[8 * i + 3]
        if code & 7 == 5:
            assert i + 1 + max(if_true, if_false) < count
    assert program[-8] == 6


def test_a_harness_that_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with Sandbox() as box, pytest.raises(SandboxUnavailable, match="must run"):
        box.run([PythonProgram("", "", "")])


def test_a_harness_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    from cycleqd.evaluation.sandbox import harness_process as module

    words = 'print(\'{"unavailable": "no walls here"}\', flush=True)'
    monkeypatch.setattr(module, "_START", words)
    with Sandbox() as box, pytest.raises(SandboxUnavailable, match="no walls here"):
        box.run([PythonProgram("", "", "")])


@pytest.mark.parametrize("most", [20, 110, 127])
def test_a_low_limit_of_open_files_is_named_with_the_remedy(most: int) -> None:
    command = ["sh", "-c", f'ulimit -n {most}; "$@"', "sh", sys.executable, "-c", ONE_PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    said = done.stderr.splitlines()[-1]
    assert "SandboxUnavailable" in said
    assert f"a process only {most} here; allow more with `ulimit -n 4096`" in said


def test_as_many_open_files_as_a_program_may_have_suffice() -> None:
    command = ["sh", "-c", 'ulimit -n 128; "$@"', "sh", sys.executable, "-c", ONE_PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "passed\n", done.stderr
