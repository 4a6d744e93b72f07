"""Some search items teach nobody: the same ones for a whole run, and scores on them are kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cycleqd.evolution.hold_out import NONE_HELD_OUT, HoldOut, hold_out_of
from cycleqd.evolution.search import Commit, first_commit, tell
from tests.evolution.runs import LAYOUT, TASKS, result, spec

HALF = HoldOut(0.5, seed=3, trained=frozenset(TASKS))


@given(st.floats(0.01, 0.9), st.integers(2, 300), st.integers(0, 9))
def test_a_share_of_the_items_is_kept_and_some_stay_on_either_side(
    share: float, count: int, seed: int
) -> None:
    found = HoldOut(share, seed, frozenset(TASKS)).positions("sql", count)
    assert found <= set(range(count))
    assert 1 <= len(found) < count
    assert abs(len(found) - share * count) <= 1
    assert found == HoldOut(share, seed, frozenset(TASKS)).positions("sql", count)


def test_tasks_and_seeds_keep_others() -> None:
    assert HALF.positions("sql", 60) != HALF.positions("code", 60)
    assert HALF.positions("sql", 60) != HoldOut(0.5, 4, HALF.trained).positions("sql", 60)


def test_nothing_is_kept_of_one_item_or_without_a_share() -> None:
    assert HALF.positions("sql", 1) == frozenset()
    assert HALF.scores({"sql": "1", "code": "10"}) == {}
    for trained in (frozenset(TASKS), frozenset()):
        assert HoldOut(0.0, 3, trained).positions("sql", 60) == frozenset()


def test_all_items_of_a_task_that_teaches_nothing_are_unseen() -> None:
    found = HoldOut(0.5, 3, frozenset({"sql"}))
    assert found.positions("code", 4) == {0, 1, 2, 3}
    assert found.scores({"sql": "1111", "code": "1000"}) == {"sql": 1.0, "code": 0.25}
    assert found.counts({"sql": "1111", "code": "1000"}) == {"sql": 2, "code": 4}


def test_scores_are_those_of_the_items_kept_out() -> None:
    kept = HALF.positions("sql", 10)
    marks = "".join("1" if place in kept else "0" for place in range(10))
    assert HALF.scores({"sql": marks}) == {"sql": 1.0}
    assert HALF.counts({"sql": marks}) == {"sql": 5}
    assert NONE_HELD_OUT.scores({"sql": marks}) == {}
    assert NONE_HELD_OUT.counts({"sql": marks}) == {"sql": 10}


@pytest.mark.parametrize("tune", [None, {}, {"holdOutShare": "0"}])
def test_a_run_without_a_share_keeps_none(tune: dict[str, str] | None) -> None:
    assert hold_out_of(spec(**({} if tune is None else {"tune": tune}))) == NONE_HELD_OUT


def test_members_carry_these_scores_through_commits_and_documents() -> None:
    run = spec(tune={"holdOutShare": "0.5"})
    hold_out = hold_out_of(run)
    marks = dict.fromkeys(TASKS, "1100110011")
    experts = [
        result(n, f"expert-{e}", (0.6, 0.6, 0.6), outcomes=marks)
        for n, e in enumerate(LAYOUT.experts)
    ]
    child = result(0, "c000000", (0.9, 0.9, 0.9), outcomes=dict.fromkeys(TASKS, "1" * 9 + "0"))
    commit = tell(first_commit(run, experts), [child], 0, hold_out)
    members = {m.candidate: m for a in commit.state.archives.values() for m in a.cells.values()}
    assert members["expert-a"].unseen == hold_out.scores(marks)
    assert members["c000000"].unseen == hold_out.scores(child.outcomes)
    document = commit.document()
    assert Commit.from_document(document, TASKS) == commit
    assert type(document).from_bytes(document.to_bytes(), "a") == document
    plain = tell(first_commit(spec(), experts), [child], 0).document()
    assert b"unseen" not in plain.to_bytes()
    assert b"unseen" in document.to_bytes()
