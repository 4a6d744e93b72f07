"""News go at once, counts every five seconds; an API server that is away costs nothing but time."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from cycleqd.contract.config_maps import PROGRESS
from cycleqd.contract.progress import OpenStage, Progress
from cycleqd.errors import InputError
from cycleqd.pod.publishing import INTERVAL_SECONDS, ConfigMapBoard, Publisher, is_news
from tests.pod.api import NAME, NAMESPACE, ConfigMapServer
from tests.pod.pods import wait_until

EVOLVING = Progress(
    phase="Evolving",
    generation=3,
    stages=(OpenStage(stage="generations/000004", entries=8, finished=1),),
)


def _with(**changes: object) -> Progress:
    return EVOLVING.model_copy(update=changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"phase": "Finishing"},
        {"generation": 4},
        {"observed_generation": 2},
        {"rejected": "spec.seed: may not change"},
        {"accepted_revision": 1},
        {"report": "s3://bucket/report.html"},
        {"goal_reached": True},
        {"store_error": "no answer", "store_error_reason": "StoreUnavailable"},
        {"stages": ()},
        {"stages": (OpenStage(stage="final/000004", entries=8, finished=1),)},
    ],
)
def test_news(changes: dict[str, object]) -> None:
    assert is_news(EVOLVING, _with(**changes))
    assert is_news(None, EVOLVING)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"stages": (OpenStage(stage="generations/000004", entries=8, finished=2),)},
        {"store_error": "no answer, the third time"},
        {"succeeded": 7},
    ],
)
def test_no_news(changes: dict[str, object]) -> None:
    assert not is_news(EVOLVING, _with(**changes))


class FakeBoard:
    def __init__(self) -> None:
        self.written: list[Progress] = []
        self.failing = 0

    def read(self) -> Progress:
        return Progress()

    def write(self, progress: Progress) -> None:
        if self.failing:
            self.failing -= 1
            raise ConnectionError("no route to host")
        self.written.append(progress)


def test_counts_wait_for_their_time() -> None:
    now = [100.0]
    board = FakeBoard()
    with Publisher(board, clock=lambda: now[0]) as publisher:
        publisher.publish(EVOLVING)
        publisher.flush()
        counts = _with(succeeded=7)
        publisher.publish(counts)
        assert publisher.due_in() == INTERVAL_SECONDS
        now[0] += 2.0
        assert publisher.due_in() == INTERVAL_SECONDS - 2.0
        news = _with(succeeded=8, generation=4)
        publisher.publish(news)
        publisher.flush()
        assert board.written == [EVOLVING, news], "the counts between are no write of their own"
        assert publisher.due_in() is None


def test_the_same_again_is_no_write() -> None:
    board = FakeBoard()
    with Publisher(board) as publisher:
        for _ in range(5):
            publisher.publish(EVOLVING)
            publisher.flush()
    assert board.written == [EVOLVING]


def test_failures_are_repeated_and_the_newest_is_what_arrives() -> None:
    board = FakeBoard()
    board.failing = 2
    outcomes: list[bool] = []
    with Publisher(board, outcomes.append) as publisher:
        publisher.publish(EVOLVING)
        wait_until(lambda: False in outcomes)
        publisher.publish(_with(phase="Complete"))
        publisher.flush()
    assert board.written[-1].phase == "Complete"
    assert outcomes.count(False) == 2


def test_leaving_does_not_wait_for_a_server_that_is_away() -> None:
    board = FakeBoard()
    board.failing = 1_000_000
    with Publisher(board) as publisher:
        publisher.publish(EVOLVING)
        thread = publisher._thread
    thread.join(60)
    assert not thread.is_alive()


@pytest.fixture
def board(api: ConfigMapServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ConfigMapBoard:
    monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig(tmp_path / "kubeconfig")))
    return ConfigMapBoard(NAMESPACE, NAME)


def test_over_http(api: ConfigMapServer, board: ConfigMapBoard) -> None:
    assert board.read() == Progress()
    board.write(EVOLVING)
    assert api.progress == EVOLVING
    assert board.read() == EVOLVING
    api.data[PROGRESS] = "another format"
    assert board.read() == Progress()


def test_an_outage_over_http(api: ConfigMapServer, board: ConfigMapBoard) -> None:
    api.failing = True
    with Publisher(board) as publisher:
        publisher.publish(EVOLVING)
        delivered = threading.Event()
        waiting = threading.Thread(target=lambda: (publisher.flush(), delivered.set()))
        waiting.start()
        wait_until(lambda: api.refused >= 2)
        assert not delivered.is_set()
        api.failing = False
        waiting.join(60)
        assert delivered.is_set()
    assert api.progress == EVOLVING


def test_without_a_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    for kubeconfig in ("", str(tmp_path / "none")):
        monkeypatch.setenv("KUBECONFIG", kubeconfig)
        with pytest.raises(InputError, match="set KUBECONFIG"):
            ConfigMapBoard(NAMESPACE, NAME)


def test_nothing_is_written_over_what_was_not_read() -> None:
    """A coordinator that starts anew must learn what the one before it had accepted."""
    board = FakeBoard()
    earlier = _with(run_id="a-1")
    release = threading.Event()

    def read() -> Progress:
        if not release.is_set():
            raise ConnectionError("away")
        return earlier

    board.read = read  # type: ignore[method-assign]
    with Publisher(board) as publisher:
        publisher.publish(EVOLVING)
        assert publisher.before(timeout=0.1) is None
        time.sleep(0.1)
        assert board.written == []
        release.set()
        assert publisher.before() == earlier
        publisher.flush()
    assert board.written == [EVOLVING]
