"""A follower that ends after any write and is begun again has told everything once."""

from __future__ import annotations

from collections import Counter

import pytest

from cycleqd.run.store import RunStore
from cycleqd.store import MemoryStore
from cycleqd.tracking.follower import Follower
from cycleqd.tracking.translation import COMMITTED, TABLE
from tests.run import synthetic

from .memory_sink import Killed, MemorySink

SHORT = {"generations": 3, "candidatesPerGeneration": 3}


@pytest.fixture(scope="module")
def finished() -> RunStore:
    run = synthetic.fresh(**SHORT)
    synthetic.do_everything(run)
    return run


def look(run: RunStore, sink: MemorySink) -> bool:
    return Follower(run, sink, lambda text: None).look()


@pytest.fixture
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes seconds each time."""
    monkeypatch.setattr(Follower, "_write_report", lambda self, folder: None)


def test_wherever_it_is_killed(finished: RunStore, no_report: None) -> None:
    whole, killed, kills = MemorySink(), MemorySink(), 0
    assert look(finished, whole)
    while True:
        killed.writes_left = 1
        try:
            assert look(finished, killed)
        except Killed:
            kills += 1
            continue
        break
    assert kills > len(whole.points)
    assert Counter(killed.points) == Counter(whole.points)
    assert max(Counter(killed.points).values()) == 1
    assert (killed.models, killed.published) == (whole.models, whole.published)


def test_marks_follow_what_they_stand_for(finished: RunStore, no_report: None) -> None:
    sink = MemorySink()
    look(finished, sink)
    for mark, prefix in ((COMMITTED, "best/"), (TABLE, "held_out/")):
        places = [i for i, point in enumerate(sink.points) if point.key == mark]
        told = [i for i, point in enumerate(sink.points) if point.key.startswith(prefix)]
        assert told
        assert min(places) > max(told)


def test_the_report_is_a_page_with_its_pictures(finished: RunStore) -> None:
    sink = MemorySink()
    look(finished, sink)
    (names,) = sink.reports.values()
    assert "report.html" in names
    assert look(finished, sink)
    assert len(sink.reports) == 1


def test_a_run_that_goes_on_is_told_from_where_it_was(no_report: None) -> None:
    run = synthetic.begin(MemoryStore(), synthetic.manifest(skills=("sql", "shell"), **SHORT))
    synthetic.do_everything(run)
    sink = MemorySink()
    assert look(run, sink)
    before = list(sink.points)
    grown = synthetic.manifest(skills=("sql", "shell", "python"), **{**SHORT, "generations": 6})
    synthetic.grow(run, grown)
    assert not look(run, sink)
    synthetic.do_everything(run)
    assert look(run, sink)
    assert sink.points[: len(before)] == before
    assert sink.ended == [True, False, True]
    assert sink.known(COMMITTED) == set(range(run.committed() + 1))
    assert "expert python joined, task python joined" in sink.tags["cycleqd.revision.1"]
