"""What a killed process leaves in the folder for temporary files is gone at the next start.

Nothing else goes: folders of living processes, of other users and of other names stay, links are
not followed, and a start never fails of what it cannot sweep.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cycleqd.scratch import folder as module
from cycleqd.scratch.folder import scratch_folder, sweep

pytestmark = pytest.mark.timeout(120)

SANDBOX = """
import sys, threading
from cycleqd.evaluation.sandbox import Limits, Sandbox, ShellProgram
box = Sandbox(namespaces=sys.argv[1] == "namespaces")
script = "echo x > running; mkdir -p a/b; chmod 000 a; sleep 600"
program = ShellProgram({}, script, (), Limits(cpu_seconds=5, wall_seconds=60))
print(box.confinement, flush=True)
threading.Thread(target=box.run, args=([program],), daemon=True).start()
sys.stdin.read()
box.close()
"""
FOLDER = """
import sys
from cycleqd.scratch import scratch_folder
with scratch_folder("items") as path:
    (path / "half a download").write_text("x")
    print(path, flush=True)
    sys.stdin.read()
"""
MANY = """
from cycleqd.scratch import folder
for number in range(60):
    folder._swept.clear()
    with folder.scratch_folder("items") as path:
        (path / "inner").mkdir()
        (path / "inner" / "file").write_text("x")
        assert (path / "inner" / "file").read_text() == "x"
"""

Start = Callable[..., tuple["subprocess.Popen[str]", str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a script whose temporary files go to ``tmp_path``; its process and first line."""
    processes = []

    def run(script: str, *arguments: str) -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            [sys.executable, "-c", script, *arguments],
            env={**os.environ, "TMPDIR": str(tmp_path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    yield run
    for process in processes:
        process.kill()
        process.communicate(timeout=30)


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait(30)


@pytest.mark.parametrize("mode", ["namespaces", "plain"])
def test_a_killed_sandbox_is_swept_by_the_next(start: Start, tmp_path: Path, mode: str) -> None:
    tmp_path.chmod(0o711)
    killed, confinement = start(SANDBOX, mode)
    if confinement != mode:
        pytest.skip(f"this machine gives {confinement} only")
    (left,) = tmp_path.iterdir()
    if mode == "plain":
        _wait(lambda: bool(list(left.glob("box-*/*/a"))))
    kill(killed)
    _wait_for_harness(left)
    living, _ = start(SANDBOX, mode)
    (its,) = tmp_path.iterdir()
    assert its != left
    # Another start spares it while it lives.
    start(FOLDER)
    assert its.exists()
    kill(living)
    _wait_for_harness(its)
    start(FOLDER)
    assert not its.exists()


def test_a_killed_process_is_swept_and_a_living_one_is_not(start: Start, tmp_path: Path) -> None:
    killed, left = start(FOLDER)
    _, kept = start(FOLDER)
    assert Path(left).exists()
    kill(killed)
    assert Path(left).exists()
    start(FOLDER)
    assert not Path(left).exists()
    assert (Path(kept) / "half a download").read_text() == "x"


def test_each_place_is_swept_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_swept", set())
    with scratch_folder("items", tmp_path / "."):
        (tmp_path / "cycleqd-scratch-model-abcd1234").mkdir()
        with scratch_folder("items", tmp_path):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["cycleqd-scratch-model-abcd1234"]


def test_nothing_else_is_swept(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("x")
    names = [
        "cycleqd-data",
        "cycleqd-scratch-",
        "cycleqd-scratch-items",
        "my-cycleqd-scratch-a-abcd1234",
    ]
    for name in names:
        (tmp_path / name).mkdir()
    (tmp_path / "cycleqd-scratch-items-linkaaaa").symlink_to(precious)
    (tmp_path / "cycleqd-scratch-items-fileaaaa").write_text("x")
    os.mkfifo(tmp_path / "cycleqd-scratch-items-fifoaaaa")
    before = sorted(path.name for path in tmp_path.iterdir())
    ours = tmp_path / "cycleqd-scratch-items-oursaaaa"
    ours.mkdir()
    (ours / "link").symlink_to(precious)
    (ours / "shut").mkdir(mode=0)
    ours.chmod(0)
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert (precious / "file").read_text() == "x"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make another user's folder")
def test_folders_of_others_stay(tmp_path: Path) -> None:
    theirs = tmp_path / "cycleqd-scratch-items-abcd1234"
    theirs.mkdir()
    os.chown(theirs, 65534, 65534)
    sweep(tmp_path)
    assert theirs.exists()


def test_a_sweep_ends_in_time_and_never_fails(tmp_path: Path) -> None:
    for number in range(50):
        (tmp_path / f"cycleqd-scratch-items-{number:08d}").mkdir()
    sweep(tmp_path, seconds=0)
    assert len(list(tmp_path.iterdir())) == 50
    sweep(tmp_path / "absent")
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_starts_at_the_same_time_do_not_hurt_one_another(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", MANY],
            env={**os.environ, "TMPDIR": str(tmp_path)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    ends = [(process.communicate(timeout=90)[1], process.returncode) for process in processes]
    assert ends == [("", 0)] * 4
    assert list(tmp_path.iterdir()) == []


def _wait_for_harness(folder: Path) -> None:
    """The harness of a killed worker holds the folder for the moment that it needs to end."""
    _wait(lambda: not any(str(folder) in line for line in _command_lines()))


def _command_lines() -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_text(errors="replace")
        except OSError:
            continue


def _wait(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
