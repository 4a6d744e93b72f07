"""Generated code cannot reach the network, secrets, other processes or more than its limits.

Every test really attempts the attack. The list is also run as an unprivileged user by
``test_sandbox_contains_attacks_without_root.py``.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from attacks import PYTHON_ATTACKS, SHELL_ATTACKS, traces
from cycleqd.evaluation.sandbox import Limits, PythonProgram, Sandbox, ShellProgram

pytestmark = pytest.mark.timeout(120)

QUICK = Limits(cpu_seconds=1, wall_seconds=3)


@pytest.mark.parametrize("name", sorted(PYTHON_ATTACKS))
def test_python_attack_gets_nothing(sandbox: Sandbox, name: str, tmp_path: Path) -> None:
    attack = PYTHON_ATTACKS[name]
    report, innocent = sandbox.run(
        [attack.program(os.getpid()), PythonProgram("", "def f(): return 1", "assert f() == 1")]
    )
    assert report.status in attack.allowed, (report, attack.source)
    assert innocent.status == "passed"
    assert traces() == []


@pytest.mark.parametrize("name", sorted(SHELL_ATTACKS))
def test_shell_attack_gets_nothing(sandbox: Sandbox, name: str) -> None:
    attack = SHELL_ATTACKS[name]
    report, innocent = sandbox.run([attack.program(os.getpid()), ShellProgram({}, "echo fine")])
    assert report.status in attack.allowed, report
    assert "LOOT" not in report.stdout, report
    assert innocent.stdout == "fine\n"
    assert traces() == []


def test_daemons_do_not_outlive_their_program(sandbox: Sandbox, tmp_path: Path) -> None:
    # Other processes of the tests have sleepers too.
    nap, doze = f"sleep {100_000 + os.getpid()}", f"sleep 0.1{os.getpid()}"
    script = f"setsid sh -c 'while :; do {doze}; done' >/dev/null 2>&1 & ({nap} &) ; echo up"
    report, after = sandbox.run(
        [
            ShellProgram({}, script, limits=QUICK),
            ShellProgram({}, "cat /proc/*/cmdline 2>/dev/null | tr '\\0' ' '", limits=QUICK),
        ]
    )
    assert report.stdout == "up\n"
    assert doze not in after.stdout
    assert nap not in after.stdout
    assert not [line for line in _command_lines() if nap.replace(" ", "\0") in line]


def _command_lines() -> list[str]:
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_text(errors="replace"))
        except OSError:
            continue
    return lines


def test_memory_that_processes_share_counts_once(sandbox: Sandbox) -> None:
    script = (
        "import os, time\n"
        "x = b'x' * (64 << 20)\n"
        "for i in range(4): os.fork() or (time.sleep(1), os._exit(0))\n"
        "print(len(x), [os.wait()[1] for i in range(4)])\n"
    )
    limits = Limits(cpu_seconds=3, wall_seconds=20, memory_bytes=160 << 20)
    program = ShellProgram({"share.py": script}, "python3 -S share.py", (), limits)
    (report,) = sandbox.run([program])
    assert (report.status, report.stdout) == ("passed", f"{64 << 20} [0, 0, 0, 0]\n")


def test_a_wall_clock_ends_a_sleeper(sandbox: Sandbox) -> None:
    limits = Limits(cpu_seconds=1, wall_seconds=1)
    (report,) = sandbox.run([PythonProgram("", "import time; time.sleep(600)", "", limits)])
    assert report.status == "timeout"


def test_folders_are_fresh_and_removed(sandbox: Sandbox) -> None:
    first, second = sandbox.run(
        [
            ShellProgram({"a": "1"}, 'touch left "$TMPDIR/left"; mkdir -m 0 shut; ls', ("left",)),
            ShellProgram({}, 'ls -A . "$TMPDIR"', ()),
        ]
    )
    assert first.stdout == "a\nleft\nshut\n"
    assert first.files == {"left": ""}
    assert "left" not in second.stdout


def test_reading_back_does_not_follow_links(sandbox: Sandbox, tmp_path: Path) -> None:
    secret = Path("/etc/hostname")
    script = f"ln -s {secret} loot; ln -s /etc deep; mkfifo pipe; head -c 900000 /dev/zero > big"
    program = ShellProgram({}, script, ("loot", "deep/hostname", "pipe", "big", "absent"))
    (report,) = sandbox.run([program])
    assert report.files == {}


def test_the_harness_ends_with_the_worker() -> None:
    box = Sandbox()
    box.run([PythonProgram("", "", "")])
    process = box._harnesses[0]._process
    folder = box._harnesses[0]._folder
    assert process is not None
    assert folder is not None
    box.close()
    box.close()
    assert process.returncode is not None
    assert not folder.path.exists()


def test_a_killed_harness_is_replaced(any_sandbox: Sandbox) -> None:
    any_sandbox.run([PythonProgram("", "", "")])
    process = any_sandbox._harnesses[0]._process
    assert process is not None
    process.kill()
    deadline = time.monotonic() + 10
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    (report,) = any_sandbox.run([PythonProgram("", "x = 1", "assert x == 1")])
    assert report.status == "passed"


def test_slots_run_side_by_side_and_keep_order() -> None:
    with Sandbox(slots=2) as box:
        programs = [ShellProgram({}, f"echo {i}") for i in range(20)]
        assert [report.stdout for report in box.run(programs)] == [f"{i}\n" for i in range(20)]
