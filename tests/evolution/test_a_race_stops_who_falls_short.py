"""With ``evolution.race`` a child that falls short everywhere on its first items is stopped."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cycleqd.evolution.archive import Axis, Member, make_archives
from cycleqd.evolution.hold_out import hold_out_of
from cycleqd.evolution.race import race_of, race_order, upper_limit
from cycleqd.evolution.search import Commit, tell
from cycleqd.records.documents import ArchiveDocument, EvaluateEntry, RaceOrder, ResultDocument
from tests.evolution.runs import TASKS, commits, result, spec

ORDER = RaceOrder(best={"sql": 0.8, "code": 0.7, "bash": 0.6}, balance=0.5)
RACE = race_of(spec(race={"share": "0.3", "errors": "1"}))


def marks(*solved: int, count: int = 20) -> dict[str, str]:
    return {task: "1" * n + "0" * (count - n) for task, n in zip(TASKS, solved, strict=True)}


def test_the_upper_limit_is_wilson_s() -> None:
    # Wilson (1927): 15 of 20 at 1.96 standard errors end at 0.888.
    assert upper_limit(15, 20, 1.96) == pytest.approx(0.888, abs=5e-4)
    assert upper_limit(20, 20, 1.0) == pytest.approx(1.0)
    assert upper_limit(0, 20, 1.0) == pytest.approx(1 / 21)
    assert upper_limit(3, 4, 0.0) == 0.75


def test_who_is_stopped_by_hand() -> None:
    assert RACE is not None
    assert RACE.is_lost(ORDER, marks(6, 6, 6))
    # The limit of 14 of 20 is .79, that of 15 .83: only the latter may be the best at sql.
    assert RACE.is_lost(ORDER, marks(14, 1, 1))
    assert not RACE.is_lost(ORDER, marks(15, 1, 1))
    # A balance of (9, 9, 9) + 1 of 22 is .455, its error .063.
    assert not RACE.is_lost(ORDER, marks(9, 9, 9))
    assert RACE.is_lost(ORDER, marks(8, 7, 7))


@given(st.lists(st.integers(0, 20), min_size=3, max_size=3), st.integers(0, 2))
def test_solving_more_never_stops_a_child(solved: list[int], which: int) -> None:
    assert RACE is not None
    better = [n + (n < 20 and at == which) for at, n in enumerate(solved)]
    if RACE.is_lost(ORDER, marks(*better)):
        assert RACE.is_lost(ORDER, marks(*solved))


def test_what_must_be_reached_is_the_best_of_the_archives_and_the_balanced_member() -> None:
    made = make_archives([Axis(task, 0.0, 1.0, 15) for task in TASKS])
    for name, scores in {"one": (0.9, 0.1, 0.1), "even": (0.4, 0.4, 0.4)}.items():
        for archive in made.values():
            archive.offer(Member(name, dict(zip(TASKS, scores, strict=True))))
    order = race_order(made)
    assert order.best == {"sql": 0.9, "code": 0.4, "bash": 0.4}
    assert order.balance == pytest.approx(0.4)
    unseen = Member("even", dict.fromkeys(TASKS, 0.9), dict.fromkeys(TASKS, 0.2))
    made = make_archives([Axis(task, 0.0, 1.0, 15) for task in TASKS])
    for archive in made.values():
        archive.offer(unseen)
    assert race_order(made).best == dict.fromkeys(TASKS, 0.2)


@pytest.mark.parametrize(("count", "asked"), [(1, 1), (2, 1), (3, 1), (10, 3), (60, 18)])
def test_the_first_items_are_drawn_once_for_the_run(count: int, asked: int) -> None:
    assert RACE is not None
    first = RACE.first("sql", count)
    assert first == RACE.first("sql", count)
    assert list(first) == sorted(set(first))
    assert (len(first), set(first) <= set(range(count))) == (asked, True)
    other = race_of(spec(seed=5, race={"share": "0.3"}))
    assert other is not None
    assert count < 10 or other.first("sql", count) != first


def test_items_that_nobody_is_trained_on_are_asked_first() -> None:
    document = spec(race={"share": "0.3"}, tune={"holdOutShare": "0.2"})
    race = race_of(document)
    assert race is not None
    unseen = hold_out_of(document).positions("sql", 60)
    first = race.first("sql", 60)
    assert (len(unseen), len(first)) == (12, 18)
    assert unseen < set(first)


def test_without_a_race_nobody_is_stopped() -> None:
    assert race_of(spec()) is None


def test_who_was_stopped_is_counted_and_in_no_archive() -> None:
    before = commits(2)[-1]
    whole = result(0, "c000016", (0.99, 0.99, 0.99))
    early = whole.model_copy(update={"stopped": True})
    after = tell(before, [early], 0)
    assert after.state.archives == before.state.archives
    assert (after.stopped, after.evaluations) == (1, before.evaluations + 1)
    document = ArchiveDocument.from_bytes(after.document().to_bytes(), "archive.json")
    assert Commit.from_document(document, TASKS).stopped == 1
    assert tell(before, [whole], 0).state.archives != before.state.archives
    assert b"stopped" not in before.document().to_bytes()


def test_documents_without_a_race_have_the_bytes_they_had() -> None:
    entry = EvaluateEntry(candidate="c1", genome="0", split="search", tasks=TASKS)
    assert b"race" not in entry.to_bytes()
    raced = entry.model_copy(update={"race": ORDER})
    assert EvaluateEntry.from_bytes(raced.to_bytes(), "plan.json") == raced
    early = result(0, "c1", (0.5, 0.5, 0.5), outcomes=dict.fromkeys(TASKS, "1-0"))
    assert b"stopped" not in early.to_bytes()
    early = early.model_copy(update={"stopped": True})
    assert ResultDocument.from_bytes(early.to_bytes(), "result.json") == early
