"""A tracking tool that is away, slow or unwilling is told of, tried again, and stops nobody."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import pytest

from cycleqd.errors import InputError, ServiceUnavailable, StoreUnavailable
from cycleqd.manifest.tracking import MLflow, Tracking
from cycleqd.run.store import RunStore
from cycleqd.tracking import companion
from cycleqd.tracking.companion import Companion, check_installed
from cycleqd.tracking.follower import Follower
from cycleqd.tracking.translation import COMMITTED, Point
from tests.run import synthetic

from .memory_sink import MemorySink

HERE = Tracking(mlflow=MLflow(uri="http://mlflow:5000", registered_model="agents"))
ELSEWHERE = Tracking(mlflow=MLflow(uri="http://elsewhere:5000"))
SOON = 0.01
ATTACH = (
    "log what is missing by: cycleqd track s3://runs/agents --mlflow http://mlflow:5000 "
    "--experiment cycleqd --registered-model agents"
)


class Failing(MemorySink):
    """A tool that fails some times before it takes anything."""

    def __init__(self, *failures: Exception) -> None:
        super().__init__()
        self.failures: Iterator[Exception] = iter(failures)

    def add(self, points: Sequence[Point]) -> None:
        for failure in self.failures:
            raise failure
        super().add(points)

    def heal(self) -> None:
        self.failures = iter(())


class Hanging(MemorySink):
    """A tool that takes what it is told and never answers."""

    def __init__(self) -> None:
        super().__init__()
        self._healed = threading.Event()

    def add(self, points: Sequence[Point]) -> None:
        self._healed.wait()

    def heal(self) -> None:
        self._healed.set()


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Follower, "_write_report", lambda self, folder: None)
    monkeypatch.setattr(companion, "LAST_PAUSE_SECONDS", SOON)
    monkeypatch.setattr(companion, "LONGEST_PAUSE_SECONDS", 5 * SOON)


@pytest.fixture(scope="module")
def finished() -> RunStore:
    run = synthetic.fresh(generations=2, candidatesPerGeneration=2)
    synthetic.do_everything(run)
    return run


class Watched:
    """A companion with what it says, and a look at what it has done."""

    def __init__(self, run: RunStore, sink: Callable[[MLflow], MemorySink]) -> None:
        self.warned: list[str] = []
        self._again = threading.Condition()

        def begin(wanted: MLflow) -> Follower:
            return Follower(run, sink(wanted), lambda text: None)

        self.companion = Companion(begin, self._warn, SOON)

    def _warn(self, text: str) -> None:
        with self._again:
            self.warned.append(text)
            self._again.notify_all()

    def until_warned(self) -> None:
        with self._again:
            assert self._again.wait_for(lambda: self.warned, 60)


def away(number: int) -> Exception:
    return ServiceUnavailable(f"spec.tracking.mlflow.uri: no answer to question {number}")


def test_an_outage_is_told_once_and_leaves_nothing_out(finished: RunStore) -> None:
    sink, whole = Failing(*map(away, range(5))), MemorySink()
    Follower(finished, whole, lambda text: None).look()
    watched = Watched(finished, lambda wanted: sink)
    watched.companion.follow(HERE)
    watched.until_warned()
    watched.companion.finish("s3://runs/agents")
    (warned,) = watched.warned
    assert warned.startswith("spec.tracking.mlflow.uri: no answer to question 0; the run goes on")
    assert watched.companion.trouble == ""
    assert Counter(sink.points) == Counter(whole.points)
    assert (sink.models, sink.published) == (whole.models, whole.published)


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (StoreUnavailable("s3://runs: away\nmore"), "spec.tracking.mlflow: s3://runs: away"),
        (KeyError("x"), "spec.tracking.mlflow: unexpected KeyError: 'x'"),
    ],
)
def test_whatever_fails_is_tried_again(finished: RunStore, failure: Exception, said: str) -> None:
    sink = Failing(failure)
    watched = Watched(finished, lambda wanted: sink)
    watched.companion.follow(HERE)
    watched.until_warned()
    watched.companion.finish("s3://runs/agents")
    assert watched.warned == [f"{said}; the run goes on, and this is tried again"]
    assert sink.ended == [True]


@pytest.mark.parametrize("sink", [Hanging(), Failing(*map(away, range(100_000)))])
def test_the_end_waits_for_a_bounded_time(
    finished: RunStore, sink: Failing | Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(companion, "LAST_SECONDS", 0.2)
    watched = Watched(finished, lambda wanted: sink)
    watched.companion.follow(HERE)
    watched.companion.finish("s3://runs/agents")
    assert watched.warned[-1] == watched.companion.trouble
    assert watched.companion.trouble.endswith(f"; {ATTACH}")
    assert watched.companion.trouble.startswith("spec.tracking.mlflow.uri: ")
    sink.heal()


def test_the_end_does_not_wait_for_a_tool_that_refuses(finished: RunStore) -> None:
    refused = InputError("spec.tracking.mlflow.experiment: 'cycleqd' is deleted")
    sink = Failing(*[refused] * 100_000)
    watched = Watched(finished, lambda wanted: sink)
    watched.companion.follow(HERE)
    watched.companion.finish("s3://runs/agents")
    assert watched.companion.trouble == f"{refused}; {ATTACH}"


def test_a_run_that_is_tracked_nowhere_ends_at_once(finished: RunStore) -> None:
    sink = Hanging()
    watched = Watched(finished, lambda wanted: sink)
    watched.companion.follow(None)
    watched.companion.finish("s3://runs/agents")
    watched.companion.follow(HERE)
    watched.companion.follow(None)
    watched.companion.finish("s3://runs/agents")
    assert (watched.warned, watched.companion.trouble) == ([], "")
    sink.heal()


def test_another_address_is_followed_from_the_beginning(finished: RunStore) -> None:
    sinks = {HERE.mlflow: Failing(*map(away, range(100_000))), ELSEWHERE.mlflow: MemorySink()}
    watched = Watched(finished, lambda wanted: sinks[wanted])
    watched.companion.follow(HERE)
    watched.until_warned()
    watched.companion.follow(ELSEWHERE)
    watched.companion.finish("s3://runs/agents")
    assert watched.companion.trouble == ""
    assert sinks[ELSEWHERE.mlflow].known(COMMITTED) == set(range(finished.committed() + 1))
    assert sinks[HERE.mlflow].points == []


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    check_installed(HERE)
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(
        InputError, match=r"spec\.tracking\.mlflow: mlflow is not installed.*\[tracking\]"
    ):
        check_installed(HERE)
    check_installed(None)
