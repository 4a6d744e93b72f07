"""Tiers of a stage run at once, are told apart and counted whole; a failure ends them all."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from .repository import load_script

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

INI = "[pytest]\nmarkers =\n  left\n  right\n  later\n"
MEET = """
import pytest, time
from pathlib import Path
@pytest.mark.{own}
def test_meets_the_other():
    Path("{own}").touch()
    limit = time.monotonic() + 60
    while not Path("{other}").exists():
        assert time.monotonic() < limit
        time.sleep(0.05)
"""
FAIL = """
import pytest, time
from pathlib import Path
@pytest.mark.left
def test_fails_beside_the_other():
    limit = time.monotonic() + 60
    while not Path("right").exists():
        assert time.monotonic() < limit
        time.sleep(0.05)
    assert False
@pytest.mark.right
def test_would_last():
    Path("right").touch()
    time.sleep(300)
@pytest.mark.later
def test_never_runs():
    Path("later").touch()
"""

BUILD = """
import sys
from pathlib import Path
Path("built").write_text(" ".join(sys.argv[1:]))
"""
BUILT = """
import pytest
from pathlib import Path
@pytest.mark.left
def test_needs_nothing(): ...
@pytest.mark.later
def test_has_its_tools():
    assert Path("built").read_text() == "hammer saw"
"""

PLAIN = b"""
collected 4170 items / 4159 deselected / 11 selected

tests/run/test_ctrl_c.py F                                               [  9%]
tests/run/test_tiny_end_to_end.py ..s"""
SHARED = b"""
created: 3/3 workers
3 workers [315 items]

........................................................................ [ 22%]
......"""


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (b"", "begins"),
        (b"collected 1 item\n\ntest_a.py ", "0 of 1 tests"),
        (PLAIN, "4 of 11 tests"),
        (SHARED, "78 of 315 tests"),
    ],
)
def test_progress_counts_tests(script: ModuleType, output: bytes, words: str) -> None:
    assert script.tiers.progress(output) == words


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """scripts/test over a folder of its own."""
    module = load_script("test")
    (tmp_path / "pytest.ini").write_text(INI)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "PYTHON", sys.executable)
    for name in ("left", "right", "later"):
        monkeypatch.setitem(module.TIERS, name, name)
    return module


def test_both_run_at_once_and_are_told_one_after_another(
    script: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for own, other in (("left", "right"), ("right", "left")):
        (tmp_path / f"test_{own}.py").write_text(MEET.format(own=own, other=other))
    status, results = script.run_stages([["left", "right"]], tmp_path)
    assert status == 0
    assert {result.tier: result.counts["passed"] for result in results} == {"left": 1, "right": 1}
    said = capfd.readouterr().out
    blocks = [line for line in said.splitlines() if line.startswith("== ")]
    first, second = (result.tier for result in results)
    assert [block.split(":")[0] for block in blocks] == [
        f"== {tier}" for tier in (first, first, second, second)
    ]


def test_a_failure_interrupts_the_others_and_nothing_follows(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "test_all.py").write_text(FAIL)
    started = time.monotonic()
    monkeypatch.setattr(script.tiers, "SIDE_BY_SIDE", 2)
    status, results = script.run_stages([["left", "right", "later"], ["later"]], tmp_path)
    assert time.monotonic() - started < 200
    assert status == 1
    assert [result.tier for result in results] == ["left", "right"]
    assert not (tmp_path / "later").exists()


def test_a_tier_begins_when_its_tools_are_there(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "build-tools").write_text(BUILD)
    (tmp_path / "test_all.py").write_text(BUILT)
    monkeypatch.setitem(script.tiers.TOOLS, "later", ("hammer", "saw"))
    status, results = script.run_stages([["later", "left"]], tmp_path)
    assert status == 0
    assert {result.tier: result.counts["passed"] for result in results} == {"left": 1, "later": 1}


def test_a_tier_whose_tools_cannot_be_built_has_failed(
    script: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "build-tools").write_text("raise SystemExit('no hammer')")
    (tmp_path / "test_all.py").write_text(BUILT)
    monkeypatch.setitem(script.tiers.TOOLS, "later", ("hammer",))
    status, results = script.run_stages([["later"]], tmp_path)
    assert status == 1
    assert [result.counts for result in results] == [{}]
    said = capfd.readouterr().err
    assert "no hammer" in said
    assert "tools of the later tier could not be built" in said


def test_sigterm_takes_the_tiers_along(script: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "test_all.py").write_text(FAIL.replace('Path("right").exists()', "False"))
    stage = script.StageRun(tmp_path, ["left", "right"])

    def terminate() -> None:
        limit = time.monotonic() + 60
        while not (tmp_path / "right").exists() and time.monotonic() < limit:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(script.TERMINATED))
    try:
        threading.Thread(target=terminate).start()
        with pytest.raises(SystemExit) as ended:
            stage.run()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ended.value.code == 143
    assert [tier.ended() for tier in stage.running] == [True, True]
