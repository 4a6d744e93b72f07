"""A command ends with a sentence and a status: whatever is in a path, whatever the machine says."""

from __future__ import annotations

import errno
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cycleqd import cli
from cycleqd.cli import ending
from cycleqd.cli.console import visible
from cycleqd.cli.ending import run_command
from cycleqd.contract import variables
from cycleqd.errors import CheckpointError
from cycleqd.records.documents import FailedCandidate
from cycleqd.store import open_store
from tests.run.hostile import ARCHIVE, ESCAPES, edit, setting
from tests.run.synthetic import SKILLS, begin, canonical_text, do_everything, manifest
from tests.run.test_foreign_stores_end_in_a_sentence import OBEYED

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65534
COMMAND = (sys.executable, "-m", "cycleqd.cli")
NAME = "[/b][red]\x1b[31m\u202e\n\udcff"
"""Of a file: markup of rich, an escape sequence, a change of direction, a byte that is no UTF-8."""


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that any user may enter, which pytest's are not."""
    folder = Path(tempfile.mkdtemp(prefix="cycleqd-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def store(place: Path) -> Path:
    folder = place / NAME / "store"
    document = manifest(generations=2, candidatesPerGeneration=2)
    do_everything(begin(open_store(str(folder)), document))
    return folder


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """For the rest of the test this process may do what nobody may."""
    if os.geteuid() == 0:
        os.seteuid(NOBODY)
        yield
        os.seteuid(0)
    else:
        yield


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    capsys.readouterr()
    status = run_command([str(argument) for argument in arguments])
    output, errors = capsys.readouterr()
    assert not OBEYED.search(output + errors)
    assert "Traceback" not in errors
    return status, output, errors


def cycleqd(shell: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A shell's line, in which ``"$@"`` is the command."""
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {shell}", "-", *COMMAND, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=120,
    )


def test_commands_print_by_the_console_only() -> None:
    for path in Path(cli.__file__).parent.glob("*.py"):
        if path.name != "console.py":
            past_it = r"\bprint\(|\.print\(|echo\(|Console\(|from rich.table"
            assert re.findall(past_it, path.read_text()) == [], path


def test_results_show_names_as_they_are(capsys: pytest.CaptureFixture[str], store: Path) -> None:
    shown = visible(str(store))
    assert "[/b][red]\\x1b[31m\\u202e\\n\\udcff" in shown
    for arguments in (["status", store], ["list", store], ["show", store, "c000001"]):
        status, output, _ = run(capsys, *arguments)
        assert (status, "c000001" in output or "complete" in output) == (0, True)
    status, output, _ = run(capsys, "verify", store, "--no-weights")
    assert (status, "verified 6 items" in output) == (0, True)
    status, output, _ = run(capsys, "report", store)
    assert (status, output) == (0, f"{shown}/report/report.html\n")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("status", "{absent}"), 78),
        (("list", "{absent}"), 78),
        (("list", "{store}", "--task", NAME), 78),
        (("show", "{store}", NAME), 78),
        (("show", "{store}", f"best:{NAME}"), 78),
        (("show", "{store}", "c²"), 78),
        (("report", "{absent}"), 78),
        (("report", "{store}", "--out", "/dev/null/{name}"), 74),
        (("verify", "{absent}"), 78),
        (("export", "{absent}", "--member", NAME, "--out", NAME), 78),
        (("materialize", "{absent}", "--member", NAME), 78),
        (("validate", "{absent}"), 78),
        (("run", "{absent}"), 78),
        (("run", "{absent}", "--store", NAME), 78),
        (("status", f"{NAME}://x"), 78),
        (("status", f"s3://bucket/{NAME}"), 78),
        (("status", "{store}", f"--{NAME}"), 2),
        (("status", "{store}", NAME), 2),
        (("status",), 2),
        ((NAME,), 2),
        (("--s3-endpoint", NAME, "status", "s3://bucket/x"), 78),
    ],
)
def test_names_in_errors_are_data(
    arguments: tuple[str, ...],
    status: int,
    store: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(variables.S3_ENDPOINT, "")  # a global option would set it for good
    monkeypatch.delenv(variables.S3_ENDPOINT)
    names = {"store": store, "absent": store.parent / NAME, "name": NAME}
    ended, output, errors = run(capsys, *(part.format(**names) for part in arguments))
    assert ended == status, errors
    assert output == ""
    assert len(errors.splitlines()) == (2 if status == 2 else 1)
    if any(NAME in part or "{absent}" in part for part in arguments):
        assert "[/b]" in errors


@pytest.mark.parametrize(
    ("number", "status", "remedy"),
    [
        (errno.EMFILE, 74, "ulimit -n"),
        (errno.ENFILE, 74, "end some"),
        (errno.ENOSPC, 74, "free space"),
        (errno.EDQUOT, 74, "free space"),
        (errno.EROFS, 74, "mount it writable"),
        (errno.EACCES, 74, "the right to it"),
        (errno.EPERM, 74, "the right to it"),
        (errno.EIO, 74, "the disk fails"),
        (errno.ESTALE, 75, "file server"),
        (errno.ELOOP, 74, "symbolic links"),
    ],
)
def test_what_the_machine_says_has_a_remedy(
    number: int,
    status: int,
    remedy: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), f"/{NAME}")

    def fail_in_a_reader(*_: object, **__: object) -> None:
        try:
            fail()
        except OSError as error:
            raise CheckpointError(f"/{NAME}: cannot be read: {error.strerror}") from error

    for kind, expected in ((fail, status), (fail_in_a_reader, 78)):
        monkeypatch.setattr(ending, "app", kind)
        ended, _, errors = run(capsys)
        assert ended == expected
        assert remedy in errors
        assert os.strerror(number) in errors
        assert "/[/b][red]" in errors


@pytest.mark.parametrize("kind", [KeyError, RecursionError, AssertionError, RuntimeError])
def test_a_fault_of_ours_says_so(
    kind: type[Exception], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise kind(ESCAPES)

    monkeypatch.setattr(ending, "app", fail)
    monkeypatch.delenv(ending.TRACEBACK, raising=False)
    status, _, errors = run(capsys)
    assert status == 70
    assert len(errors.splitlines()) == 1
    assert kind.__name__ in errors
    assert "CYCLEQD_TRACEBACK=1" in errors
    monkeypatch.setenv(ending.TRACEBACK, "1")
    assert run_command([]) == 70
    traced = capsys.readouterr().err
    assert "Traceback" in traced
    assert not OBEYED.search(traced)


def test_too_little_memory_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(ending, "app", fail)
    status, _, errors = run(capsys)
    assert (status, errors.count("\n")) == (74, 1)
    assert "not enough memory" in errors


def test_a_store_that_cannot_be_written_is_read(
    place: Path, store: Path, unprivileged: None, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = place / "read-only"
    if os.geteuid() == NOBODY:
        folder = store  # belongs to root
    else:
        shutil.copytree(store, folder)
        folder.chmod(0o555)
    shutil.rmtree(folder / "report", ignore_errors=True)
    try:
        for arguments in (["status", folder], ["list", folder], ["verify", folder, "--no-weights"]):
            assert run(capsys, *arguments)[0] == 0
        status, _, errors = run(capsys, "report", folder)
        assert status == 74
        assert "cannot write the report to" in errors
        assert "--out FOLDER" in errors
    finally:
        if folder != store:
            folder.chmod(0o755)


def test_what_may_not_be_read_is_named(
    place: Path, store: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    copy = shutil.copytree(store, place / "unreadable")
    request.getfixturevalue("unprivileged")
    for name in ("run.json", ".sha256", "generations", ARCHIVE):
        with as_owner():
            (copy / name).chmod(0)
        status, _, errors = run(capsys, "status", copy)
        with as_owner():
            (copy / name).chmod(0o755)
        assert status == 74
        assert "Permission denied" in errors
        assert ("run.json" if name == ".sha256" else name) in errors


class as_owner:  # noqa: N801 - reads as a block
    """Back to the user who owns the files, for a block."""

    def __enter__(self) -> None:
        self._user = os.geteuid()
        if os.getuid() == 0:
            os.seteuid(0)

    def __exit__(self, *_: object) -> None:
        os.seteuid(self._user)


def test_messages_of_candidates_are_data_in_a_report(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(store, tmp_path / "copy")
    text = ESCAPES.replace("\udc80", "")
    failed = FailedCandidate(candidate="c000009", cause=f"{text}<b>", message=text)
    edit(ARCHIVE, setting("failed", to=[failed.model_dump()]))(copy)
    assert run(capsys, "report", copy, "--out", tmp_path / "out")[0] == 0
    page = (tmp_path / "out/report.html").read_text()
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    status, output, _ = run(capsys, "list", copy, "--json")
    assert status == 0
    assert json.loads(output)


def test_a_reader_that_leaves_is_no_fault(store: Path) -> None:
    done = cycleqd('"$@" | true', "list", str(store))
    assert (done.returncode, done.stderr) == (141, "")


def test_output_that_cannot_be_written_is_told(store: Path) -> None:
    done = cycleqd('"$@" > /dev/full', "list", str(store), "--json")
    assert done.returncode == 74
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: cannot write standard output: No space left on device")


def test_a_low_limit_of_open_files_is_named(tmp_path: Path) -> None:
    for name in ("models", *SKILLS):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    document = json.loads(canonical_text(manifest()))
    document["spec"]["evaluation"]["dtype"] = "float32"  # of which no processor is warned
    document["spec"]["base"]["uri"] = str(tmp_path / "models")
    for expert in document["spec"]["experts"]:
        expert["uri"] = str(tmp_path / expert["name"])
    for task in document["spec"]["tasks"]:
        for split in ("search", "test"):
            path = tmp_path / f"{task['name']}.{split}.jsonl"
            path.touch()
            task["items"][split] = str(path)
    (tmp_path / "run.yaml").write_text(json.dumps(document))
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] > 5
    arguments = ("run", str(tmp_path / "run.yaml"), "--store", str(tmp_path / "store"))
    for _ in range(5):  # only writers that overlap, on two cores almost all do, meet the limit
        done = cycleqd('ulimit -n 5; "$@"', *arguments)
        if done.returncode == 74:
            break
    assert done.returncode == 74, done.stderr
    said = done.stderr.splitlines()
    assert len(said) == 1
    assert "Too many open files; a process may open 5 here" in said[0]
    assert "`ulimit -n 4096`" in said[0]
