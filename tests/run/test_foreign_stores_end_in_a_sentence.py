"""Whatever a store holds, a command that reads it ends with one sentence that names the object."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from cycleqd.cli.ending import run_command
from cycleqd.store import open_store
from tests.run.hostile import CASES, EVERY, STRANGERS
from tests.run.synthetic import begin, do_everything, manifest

pytestmark = pytest.mark.timeout(60)  # nothing waits for a FIFO

ARGUMENTS = {
    "status": ("status", "{store}"),
    "list": ("list", "{store}", "--json"),
    "show": ("show", "{store}", "c000001"),
    "verify": ("verify", "{store}", "--no-weights"),
    "report": ("report", "{store}", "--out", "{store}/../report"),
}
OBEYED = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Characters that a terminal obeys, but for the line break."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "store"
    do_everything(
        begin(open_store(str(folder)), manifest(generations=2, candidatesPerGeneration=2))
    )
    return folder


@pytest.fixture
def store(finished: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished, tmp_path / "store")


def run(capsys: pytest.CaptureFixture[str], store: Path, name: str) -> tuple[int, str, str]:
    status = run_command([part.format(store=store) for part in ARGUMENTS[name]])
    output, errors = capsys.readouterr()
    assert not OBEYED.search(output + errors)
    assert "Traceback" not in output + errors
    return status, output, errors


@pytest.mark.parametrize("name", CASES)
def test_damage_is_named(name: str, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = CASES[name]
    case.damage(store)
    for command in EVERY:
        if command == "report" and command not in case.seen_by:
            continue  # it would draw all pictures
        status, _, errors = run(capsys, store, command)
        if command in case.seen_by:
            said = [line for line in errors.splitlines() if not line.startswith("verifying ")]
            assert status in {1, 74, 78}, (command, errors)
            assert len(said) == 1, said
            assert said[0].startswith("error: "), said
            assert case.named in said[0], said
            assert len(said[0]) < 1000 + len(str(store))
        else:
            assert status == 0, (command, errors)


@pytest.mark.parametrize("name", STRANGERS)
def test_what_is_none_of_the_run_s_is_passed_over(
    name: str, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    STRANGERS[name](store)
    for command in EVERY[:-1]:
        status, _, errors = run(capsys, store, command)
        assert status == 0, (command, errors)


def test_nothing_is_looked_for_deeper_than_any_key(store: Path) -> None:
    deep = store / "generations" / "/".join("d" * 400)
    deep.mkdir(parents=True)
    (deep / "file").touch()
    assert "d" not in open_store(str(store)).children("generations/")
