"""Scores, unseen scores and told outcomes of added items are those of all items asked at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cycleqd.evolution.added import Added
from cycleqd.evolution.asked import Asked, comparable
from cycleqd.evolution.hold_out import NONE_HELD_OUT, HoldOut
from cycleqd.records.documents import ResultDocument, Telemetry

MARKS = st.text("01", min_size=2, max_size=40)
PARTS = st.lists(MARKS, min_size=2, max_size=4)
OTHER = "0110"


def share(marks: str) -> float:
    return marks.count("1") / len(marks)


def result(marks: dict[str, str]) -> ResultDocument:
    return ResultDocument(
        entry=0,
        candidate="c000001",
        scores={task: share(row) for task, row in marks.items()},
        outcomes=marks,
        telemetry=Telemetry(worker=0, host="", seconds=0.0),
    )


def ends(parts: list[str]) -> list[int]:
    return [sum(map(len, parts[: number + 1])) for number in range(len(parts))]


def hold_out(extends: tuple[int, ...]) -> HoldOut:
    return HoldOut(0.3, 7, frozenset({"sql", "shell"}), {"sql": extends})


@given(parts=PARTS)
def test_parts_give_the_scores_of_the_whole(parts: list[str]) -> None:
    whole, lengths = "".join(parts), ends(parts)
    first = hold_out(())
    scores: dict[str, float] = {"sql": share(parts[0]), "shell": share(OTHER)}
    unseen: dict[str, float] = first.scores({"sql": parts[0], "shell": OTHER})
    for number in range(1, len(parts)):
        extends = tuple(lengths[:number])
        added = Added(hold_out(extends), {"sql": extends[-1]})
        found = result({"sql": parts[number]})
        scores, unseen = added.scores(scores, found), added.unseen(unseen, found)
    assert scores == {"sql": share(whole), "shell": share(OTHER)}
    kept = hold_out(tuple(lengths[:-1]))
    assert unseen == kept.scores({"sql": whole, "shell": OTHER})


@given(parts=PARTS)
def test_what_was_kept_out_and_what_was_not_stays_so(parts: list[str]) -> None:
    lengths = ends(parts)
    known: frozenset[int] = frozenset()
    for number, length in enumerate(lengths):
        now = hold_out(tuple(lengths[:number])).positions("sql", length)
        before = lengths[number - 1] if number else 0
        assert {place for place in now if place < before} == known
        assert 0 < len([place for place in now if place >= before]) < length - before
        known = now


def test_whoever_is_new_is_asked_everything() -> None:
    added = Added(NONE_HELD_OUT, {"sql": 20})
    assert added.scores({}, result({"sql": "0111"})) == {"sql": 0.75}


def test_items_in_the_place_of_others_are_scored_alone() -> None:
    added = Added(NONE_HELD_OUT, {"sql": 0})
    assert added.scores({"sql": 0.3}, result({"sql": "0111"})) == {"sql": 0.75}


def asked(candidate: str, marks: str, first: int = 0) -> Asked:
    return Asked(candidate, {"sql": share(marks)}, {"sql": marks}, {"sql": first} if first else {})


COUNTED = ("sql",)


@given(old=MARKS, new=MARKS)
def test_whoever_was_asked_all_is_told_with_all(old: str, new: str) -> None:
    told = comparable(
        [
            (asked("c000001", old), COUNTED),
            (asked("c000002", old), COUNTED),
            (asked("c000001", new, len(old)), COUNTED),
            (Asked("c000003", {}, {}, {}), COUNTED),
            (asked("c000004", old + new), COUNTED),
        ],
        {"sql": len(old + new)},
    )
    assert [one.candidate for one in told] == ["c000001", "c000003", "c000004"]
    assert told[0].outcomes == told[2].outcomes == {"sql": old + new}
    assert told[0].scores == told[2].scores == {"sql": share(old + new)}


@pytest.mark.parametrize("again", [True, False])
def test_what_others_have_replaced_is_not_told(*, again: bool) -> None:
    lots = [(asked("c000001", "0011"), ())] + [(asked("c000001", "0111"), COUNTED)] * again
    told = comparable(lots, {"sql": 4})
    assert [one.outcomes for one in told] == [{"sql": "0111"}] * again
