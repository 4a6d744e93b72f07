"""A checkpoint whose templates, tokenizers or expressions never end, or bring code, begins no run.

Each is a case of `tests.run.hostile_checkpoints`, of which the benchmark of that name tries all.
"""

from __future__ import annotations

import os
import signal
import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest

from cycleqd.checkpoints import trial
from cycleqd.checkpoints.trial import MEBIBYTES, tried
from cycleqd.errors import CheckpointError, InputError
from cycleqd.manifest.reader import load_manifest
from cycleqd.run import admitted_checkpoints, prompts
from cycleqd.run.admission import admit
from cycleqd.store import MemoryStore
from tests.checkpoints import family
from tests.run.hostile_checkpoints import CASES, lay_out
from tests.weights.programs import MARK

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.runtime, pytest.mark.timeout(300)]

REFUSED_BY_NAME = {
    case.name: case.parts
    for case in CASES
    if case.parts is not None and (case.role != "expert" or ": " in case.name)
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Good checkpoints, and less time than a run gives them."""
    family(tmp_path / "models", experts=("good", "hostile"))
    quick = partial(tried, seconds=3)
    monkeypatch.setattr(admitted_checkpoints, "tried", quick)
    monkeypatch.setattr(prompts, "tried", lambda what, act, **_: quick(what, act))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def begin(place: Path, name: str) -> None:
    (case,) = (case for case in CASES if case.name == name)
    lay_out(case, place)
    admit(MemoryStore(), load_manifest(place / "run.json"), checkpoints=place / "scratch")


@pytest.mark.parametrize("name", REFUSED_BY_NAME)
def test_what_is_hostile_is_refused_by_its_field(place: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"^spec\.") as caught:
        begin(place, name)
    message = str(caught.value)
    print(f"\n{name}:\n  {message}")
    assert [part for part in REFUSED_BY_NAME[name] if part not in message] == []
    assert len(message) < 2000


@pytest.mark.parametrize("name", ["honest expert", "honest adapter", "honest writer"])
def test_honest_ones_are_taken(place: Path, name: str) -> None:
    begin(place, name)


def test_nobody_is_asked_whether_code_may_run(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda _: "y")
    with pytest.raises(InputError, match="the tokenizer cannot be loaded"):
        begin(place, "base's tokenizer: code of its own")
    assert not (place / "models" / MARK).exists()


def compute() -> None:
    while True:
        pass


def fill() -> None:
    assert bytearray((MEBIBYTES + 64) << 20)


def abort() -> None:
    os.kill(os.getpid(), signal.SIGTRAP)


@pytest.mark.parametrize(
    ("act", "problem"),
    [
        (compute, "takes more than 1 seconds of computing"),
        (fill, f"takes more than {MEBIBYTES} MiB of memory"),
        (abort, "breaks the library"),
    ],
)
def test_a_trial_tells_what_it_ran_into(act: Callable[[], None], problem: str) -> None:
    with pytest.raises(CheckpointError, match=f"^it: {problem}"):
        tried("it", act, seconds=1)


def test_what_only_fails_is_left_to_whoever_tried() -> None:
    tried("it", lambda: 1 / 0)


def take_and_give_back(lock: threading.Lock) -> None:
    with lock:
        pass


def test_what_another_thread_holds_while_it_is_tried_refuses_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trial, "_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(trial, "_STUCK_SECONDS", 0.2)
    monkeypatch.setattr(trial, "_ATTEMPTS", 1000)
    lock = threading.Lock()
    lock.acquire()
    giving_back = threading.Timer(1.0, lock.release)
    giving_back.start()
    tried("it", partial(take_and_give_back, lock))
    giving_back.join()


def test_what_sleeps_whenever_it_is_tried_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(trial, "_STUCK_SECONDS", 0.2)
    with pytest.raises(CheckpointError, match=r"^it: does not end; "):
        tried("it", threading.Event().wait)
