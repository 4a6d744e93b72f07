"""Real worker processes that crash: a poisonous candidate is condemned, kills are forgiven."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from cycleqd.errors import RunFailed, SlotError
from cycleqd.roles.local import LocalRunner
from cycleqd.store import open_store
from tests.run.synthetic import archives, begin, do_everything, fresh, manifest

WORKER = "tests.run.synthetic_worker"


def runner(store: Path, workers: int, *crash: str) -> LocalRunner:
    run = begin(open_store(str(store)), manifest())

    def command(index: int, count: int) -> Sequence[str]:
        return [sys.executable, "-m", WORKER, str(store), str(index), str(count), *crash]

    return LocalRunner(
        run, command, workers=workers, log_folder=store.parent / "logs", poll_seconds=0.02
    )


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, bytes]:
    run = fresh()
    do_everything(run)
    return archives(run.objects)


@pytest.mark.parametrize("workers", [1, 3])
def test_processes_give_what_one_process_gives(
    tmp_path: Path, undisturbed: dict[str, bytes], workers: int
) -> None:
    runner(tmp_path / "store", workers).run()
    assert archives(open_store(str(tmp_path / "store"))) == undisturbed


def test_a_poisonous_candidate_is_recorded_and_survived(tmp_path: Path) -> None:
    store = tmp_path / "store"
    running = runner(store, 1, "c000005", str(int(signal.SIGSEGV)))
    summary = running.run()
    assert summary.rows
    archive = running._run.archive(6)
    assert archive is not None
    assert [(f.candidate, f.cause) for f in archive.failed] == [("c000005", "WorkerCrash")]
    assert "SIGSEGV" in archive.failed[0].message


def test_endless_kills_stop_the_run_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match="memory"):
        runner(tmp_path / "store", 1, "c000005", str(int(signal.SIGKILL))).run()


def test_a_worker_that_cannot_start_stops_the_run_with_its_words(tmp_path: Path) -> None:
    run = begin(open_store(str(tmp_path / "store")), manifest())
    script = "import sys; print('error: no device', file=sys.stderr); sys.exit(65)"
    running = LocalRunner(
        run,
        lambda _index, _count: [sys.executable, "-c", script],
        workers=1,
        log_folder=tmp_path / "logs",
        poll_seconds=0.02,
    )
    with pytest.raises(SlotError, match="no device"):
        running.run()
