"""What is built from source says which of how many it is, how far that is, and what is left."""

from __future__ import annotations

import sys
import time

import pytest
from devcluster.base import commands
from devcluster.base.commands import CommandError, follow, step

from .repository import load_script

BUILD = load_script("build-tools")


def test_what_is_left_follows_the_pace_of_this_machine() -> None:
    expected = [30.0, 70.0]
    # As quick as expected; twice as slow; quicker is not promised.
    assert BUILD.seconds_left(expected, 1, 0.5, 65.0) == pytest.approx(35)
    assert BUILD.seconds_left(expected, 1, 0.5, 130.0) == pytest.approx(70)
    assert BUILD.seconds_left(expected, 1, 0.5, 6.5) == pytest.approx(35)
    # Nothing to go by yet.
    assert BUILD.seconds_left(expected, 0, 0.0, 20.0) == pytest.approx(100)


def test_a_plan_tells_module_packages_and_time() -> None:
    plan = BUILD.Plan(["etcd", "kubernetes"])
    assert plan.news(1, 300, 1200).startswith(
        "kubernetes (2 of 2): 300 of 1200 packages, 0 s, about"
    )
    # Packages that were compiled before are not compiled again: a share is never above one.
    assert "about a minute left for all" in plan.news(1, 1300, 1200)


def test_all_modules_have_a_usual_time() -> None:
    modules = {path.parent.name for path in BUILD.MODULES.glob("*/go.mod")}
    assert set(BUILD.USUAL_SECONDS) == modules


def test_a_long_command_is_followed(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(BUILD, "NEWS_SECONDS", 0.2)
    program = (
        "import sys, time\n"
        "for n in range(3): print('package', n, file=sys.stderr, flush=True)\n"
        "time.sleep(2)"
    )
    BUILD.follow([sys.executable, "-c", program], BUILD.ROOT, 30, "{} packages".format)
    assert "build-tools: 3 packages" in capfd.readouterr().err


def test_a_failed_command_shows_what_it_wrote(capfd: pytest.CaptureFixture[str]) -> None:
    program = "raise SystemExit('no such module')"
    with pytest.raises(BUILD.subprocess.CalledProcessError):
        BUILD.follow([sys.executable, "-c", program], BUILD.ROOT, 30, str)
    assert "no such module" in capfd.readouterr().err


def test_a_step_says_where_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commands, "NEWS_SECONDS", 0.1)
    program = "import time; print('STEP 3/7: RUN pip', flush=True); time.sleep(1)"
    with step("building image", usual_seconds=300) as building:
        follow(sys.executable, "-c", program, seconds=30, tell=building.tell)
    said = capsys.readouterr().err
    assert "cluster: building image ... (usually 300 s)" in said
    assert "s (usually 300 s): STEP 3/7: RUN pip" in said


def test_a_command_that_takes_too_long_ends_with_its_children() -> None:
    program = "import subprocess; subprocess.run(['sleep', '60'])"
    started = time.monotonic()
    with pytest.raises(CommandError, match="took over 1 s"):
        follow(sys.executable, "-c", program, seconds=1, tell=lambda _: None)
    assert time.monotonic() - started < 30
