"""Programs run in another container, as another user; neither side can hurt the other's.

The container is a real process of another user (where the tests run as root) that listens at a real
Unix socket. That it contains the same attacks is asserted with each of ``attacks.py``.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from containers import USER, PlayedContainer, has_landlock
from other_users import python_of

from cycleqd.errors import SandboxUnavailable
from cycleqd.evaluation.sandbox import (
    Container,
    Limits,
    PythonProgram,
    Sandbox,
    ShellProgram,
    SqlProgram,
    slot,
)
from cycleqd.evaluation.sandbox import container as module

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(not has_landlock(), reason="this kernel has no Landlock"),
]

INNOCENT = PythonProgram("", "x = 1", "assert x == 1")
SLEEPER = ShellProgram({}, "sleep 600 & setsid sleep 601 & wait", (), Limits(wall_seconds=60))


@pytest.fixture
def own() -> Iterator[PlayedContainer]:
    """A container that the test may break."""
    played = PlayedContainer(connections=2)
    yield played
    played.close()


def test_verdicts_name_what_they_come_from(container: PlayedContainer) -> None:
    with Sandbox(container=container.place, namespaces=False, slots=4) as box:
        assert box.confinement == "container"
        found = box.run([*[INNOCENT] * 20, PythonProgram("", "x = 1", "assert x == 2")])
    assert [report.status for report in found] == ["passed"] * 20 + ["failed"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_programs_have_another_user_and_no_way_to_the_worker_s_files(
    container: PlayedContainer, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("LOOT")
    secret.chmod(0o600)
    script = f"id -u; chmod 666 {secret}; cat {secret}; kill -9 {os.getpid()}; true"
    with Sandbox(container=container.place, namespaces=False) as box:
        (report,) = box.run([ShellProgram({}, script)])
    assert report.stdout.splitlines()[0] == str(USER)
    assert "LOOT" not in report.stdout
    assert secret.stat().st_mode & 0o777 == 0o600


def test_files_reach_programs_by_the_shared_folder_only(
    own: PlayedContainer, tmp_path: Path
) -> None:
    file = tmp_path / "numbers.sqlite"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE numbers AS SELECT 7 AS n")
    file.chmod(0o600)
    # Sandboxes of other tests keep files in the container that all share.
    with Sandbox(container=own.place, namespaces=False) as box:
        reading, writing = box.run(
            [
                SqlProgram("", "SELECT n FROM numbers", file=str(file)),
                SqlProgram("", "DELETE FROM numbers; SELECT 1", file=str(file)),
            ]
        )
    assert reading.rows == ((7,),)
    assert writing.status == "failed"
    assert list(own.place.files.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_nobody_else_can_connect(container: PlayedContainer) -> None:
    code = f"import socket; socket.socket(socket.AF_UNIX).connect({str(container.place.socket)!r})"
    done = subprocess.run(
        [*python_of(65534), "-c", code], check=False, capture_output=True, text=True, timeout=60
    )
    assert "PermissionError" in done.stderr


def test_hanging_up_kills_the_harness_and_all_it_started(
    own: PlayedContainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AWAY_SECONDS", 0.0)
    box = Sandbox(container=own.place, namespaces=False)
    assert box.confinement == "container"
    running = threading.Thread(target=_run_quietly, args=(box, SLEEPER), daemon=True)
    running.start()
    _eventually(lambda: len(own.processes()) >= 4)
    below = own.processes()
    connection = box._harnesses[0]._socket
    assert connection is not None
    connection.shutdown(socket.SHUT_RDWR)
    _eventually(lambda: not any(Path(f"/proc/{process}").exists() for process in below))


def test_sigterm_ends_it_with_all_programs(
    own: PlayedContainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AWAY_SECONDS", 0.0)
    box = Sandbox(container=own.place, namespaces=False)
    assert box.confinement == "container"
    threading.Thread(target=_run_quietly, args=(box, SLEEPER), daemon=True).start()
    _eventually(lambda: len(own.processes()) >= 4)
    below = own.processes()
    assert own.end() == 128 + signal.SIGTERM
    _eventually(lambda: not any(Path(f"/proc/{process}").exists() for process in below))
    assert list((own.folder / "tmp").iterdir()) == []


def test_a_harness_that_dies_leaves_nothing_and_its_program_is_tried_again(
    own: PlayedContainer,
) -> None:
    with Sandbox(container=own.place, namespaces=False) as box:
        assert box.confinement == "container"
        found: list[str] = []
        program = ShellProgram({}, "sleep 602 & sleep 2; echo fine", (), Limits(wall_seconds=30))
        running = threading.Thread(target=lambda: found.append(box.run([program])[0].stdout))
        running.start()
        _eventually(lambda: len(own.processes()) >= 3)
        (harness,) = _children(own.process.pid)
        os.kill(harness, signal.SIGKILL)
        running.join(60)
        assert found == ["fine\n"]
    _eventually(lambda: own.processes() == set())


def test_a_container_that_is_killed_and_started_again_is_waited_for(own: PlayedContainer) -> None:
    with Sandbox(container=own.place, namespaces=False, slots=2) as box:
        assert box.confinement == "container"
        program = ShellProgram({}, "sleep 1; echo fine", (), Limits(wall_seconds=30))
        found: list[str] = []
        running = threading.Thread(
            target=lambda: found.extend(report.stdout for report in box.run([program] * 8))
        )
        running.start()
        _eventually(lambda: len(own.processes()) >= 3)
        below = own.processes()
        # All of a container end at once: no harness sees its program killed before it is itself.
        for process in below:
            _send(process, signal.SIGSTOP)
        own.end(signal.SIGKILL)
        for process in below:
            _send(process, signal.SIGKILL)
        own.start()
        running.join(90)
        assert found == ["fine\n"] * 8


def test_one_that_stays_away_is_the_machine_s_fault(
    own: PlayedContainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AWAY_SECONDS", 1.0)
    own.end()
    with (
        Sandbox(container=own.place) as box,
        pytest.raises(SandboxUnavailable, match=r"does not answer at .*kubectl logs -c sandbox"),
    ):
        box.run([INNOCENT])


GARBAGE = {
    "no JSON": b"garbage\n",
    "nested": b"[" * 100_000 + b"\n",
    "other fields": b'{"modules": {}}\n',
    "other values": json.dumps(
        {"modules": {}, "files": {}, "neighbours": -1, "namespaces": False}
    ).encode()
    + b"\n",
    "a list of modules": b'{"modules": [1], "files": [], "neighbours": 0, "namespaces": false}\n',
    "no text": b'{"modules": {"\\ud800": "\\u0000"}, "files": {}, "neighbours": 0,'
    b' "namespaces": false}\n',
    "endless": b"x" * (17 << 20),
    "nothing": b"",
}


@pytest.mark.parametrize("name", GARBAGE)
def test_a_client_that_sends_anything_else_is_hung_up_on(own: PlayedContainer, name: str) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(str(own.place.socket))
        try:
            client.sendall(GARBAGE[name])
            client.shutdown(socket.SHUT_WR)
            rest = b"".join(iter(lambda: client.recv(1 << 16), b""))
        except (BrokenPipeError, ConnectionResetError):
            rest = b""
    assert b"ready" not in rest
    _eventually(lambda: own.processes() == set())
    with Sandbox(container=own.place, namespaces=False) as box:
        assert box.run([INNOCENT])[0].status == "passed"


def test_connections_are_bounded_and_end_with_their_clients(own: PlayedContainer) -> None:
    idle = [socket.socket(socket.AF_UNIX) for _ in range(2)]
    for client in idle:
        client.connect(str(own.place.socket))
    with socket.socket(socket.AF_UNIX) as third:
        third.settimeout(30)
        third.connect(str(own.place.socket))
        assert third.recv(1) == b""
    for client in idle:
        client.close()
    with Sandbox(container=own.place, namespaces=False) as box:
        assert box.run([INNOCENT])[0].status == "passed"


ROOM = b'{"cores": 1, "memory_bytes": 1000000000}\n'
READY = b'{"ready": "plain"}\n'
REPORT = {"status": "passed", "detail": "", "stdout": "", "files": {}, "rows": []}
ANSWERS = {
    "no JSON": b"passed\n",
    "no text": b"\xff\xfe\x00\n",
    "nested": b"[" * 100_000 + b"\n",
    "another status": json.dumps(REPORT | {"status": "won"}).encode() + b"\n",
    "another field": json.dumps(REPORT | {"solved": True}).encode() + b"\n",
    "a missing field": b'{"status": "passed"}\n',
    "rows of objects": json.dumps(REPORT | {"rows": [[{}]]}).encode() + b"\n",
    "files of numbers": json.dumps(REPORT | {"files": {"a": 1}}).encode() + b"\n",
    "a number of 10,000 digits": b'{"status": ' + b"9" * 10_000 + b"}\n",
    "hung up": b"",
}


@pytest.mark.parametrize("name", ANSWERS)
def test_whatever_a_container_answers_is_a_failed_program_at_the_most(
    name: str, tmp_path: Path
) -> None:
    with _answering(ROOM + READY, ANSWERS[name]) as place, Sandbox(container=place) as box:
        (report,) = box.run([INNOCENT])
    assert report.status in {"failed", "limit"}


def test_an_endless_answer_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slot.Lines.__init__, "__defaults__", (1 << 20,))
    with _answering(ROOM + READY, b"x" * (4 << 20)) as place, Sandbox(container=place) as box:
        (report,) = box.run([INNOCENT])
    assert report.status == "limit"


@pytest.mark.parametrize(
    "greeting",
    [
        b"[" * 100_000 + b"\n",
        b'{"cores": true, "memory_bytes": 1}\n' + READY,
        b'{"cores": 1, "memory_bytes": -1}\n' + READY,
        b'{"cores": 1}\n' + READY,
        ROOM + b'{"ready": 1}\n',
        ROOM + b"[]\n",
    ],
)
def test_a_container_that_greets_otherwise_is_none(
    greeting: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AWAY_SECONDS", 0.0)
    with (
        _answering(greeting, b"") as place,
        Sandbox(container=place) as box,
        pytest.raises(SandboxUnavailable, match="does not answer"),
    ):
        box.run([INNOCENT])


def test_its_words_come_without_control_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    said = json.dumps({"unavailable": "\x1b[2Jno walls" + "x" * 10_000}).encode() + b"\n"
    with (
        _answering(ROOM + said, b"") as place,
        Sandbox(container=place) as box,
        pytest.raises(SandboxUnavailable, match="no walls") as error,
    ):
        box.run([INNOCENT])
    assert "\x1b" not in str(error.value)
    assert len(str(error.value)) < 1000


def test_a_link_to_another_socket_is_not_followed(
    container: PlayedContainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AWAY_SECONDS", 0.0)
    link = container.folder / "link"
    link.symlink_to(container.place.socket)
    with (
        Sandbox(container=Container(link, container.place.files)) as box,
        pytest.raises(SandboxUnavailable, match="no socket is there"),
    ):
        box.run([INNOCENT])
    link.unlink()


@contextmanager
def _answering(greeting: bytes, answer: bytes) -> Iterator[Container]:
    """A container that greets every client alike, and answers every program alike."""
    with tempfile.TemporaryDirectory(prefix="cycleqd-") as folder:
        path = Path(folder) / "s"
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(path))
        listening.listen(8)

        def serve() -> None:
            while True:
                try:
                    client, _ = listening.accept()
                except OSError:
                    return
                with client, client.makefile("rb") as lines:
                    try:
                        lines.readline()
                        client.sendall(greeting)
                        if lines.readline():
                            client.sendall(answer)
                    except OSError:
                        continue

        threading.Thread(target=serve, daemon=True).start()
        yield Container(path, Path(folder))
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def _run_quietly(box: Sandbox, program: ShellProgram) -> None:
    """Run a program whose sandbox is taken away."""
    with suppress(SandboxUnavailable, OSError):
        box.run([program])


def _children(process: int) -> list[int]:
    return [
        int(found)
        for task in Path(f"/proc/{process}/task").iterdir()
        for found in (task / "children").read_text().split()
    ]


def _send(process: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, number)


def _eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
