"""Accuracy, transfer, forgetting and retention, with errors paired item by item."""

from __future__ import annotations

from math import isclose, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cycleqd.evolution.memory import Answered, difference, memory

MARKS = st.text("01", min_size=4, max_size=4)


def answered(**outcomes: str) -> dict[str, Answered]:
    return {task: Answered(marks, f"items of {task}") for task, marks in outcomes.items()}


BASE = answered(sql="0000", shell="1000", regex="1000")
EXPERTS = answered(sql="1111", shell="1110", regex="0000")
STEPS = [
    answered(sql="1100", shell="1000"),
    answered(sql="1110", shell="1000"),
    answered(sql="1000", shell="1100", regex="1111"),
]


def test_the_measures_are_those_of_the_field() -> None:
    found = memory(STEPS, answered(regex="1100"), BASE, EXPERTS)
    assert isclose(found.acc.value, (0.25 + 0.5 + 1) / 3)
    assert found.bwt is not None
    assert isclose(found.bwt.value, ((0.25 - 0.5) + (0.5 - 0.25)) / 2)
    assert found.forgetting is not None
    assert isclose(found.forgetting.value, ((0.75 - 0.25) + (0.25 - 0.5)) / 2)
    assert {task: one.value for task, one in found.forgotten.items()} == {
        "sql": 0.5,
        "shell": -0.25,
    }
    assert found.fwt is not None
    assert isclose(found.fwt.value, 0.5 - 0.25)
    assert found.retention.keys() == {"sql", "shell"}
    assert isclose(found.retention["shell"], 0.5 / 0.75)


def test_a_run_without_a_past_has_forgotten_nothing() -> None:
    found = memory(STEPS[-1:], {}, BASE, EXPERTS)
    assert (found.bwt, found.forgetting, found.fwt) == (None, None, None)
    assert found.forgotten == {}


def test_errors_are_of_the_pairs_where_the_items_are_the_same() -> None:
    one, other = Answered("1100", "a"), Answered("1000", "a")
    assert isclose(difference(one, other).error, sqrt(0.75 / 3 / 4))
    assert difference(one, one).error == 0
    replaced = Answered("1000", "b")
    apart = difference(one, replaced)
    assert isclose(apart.value, 0.25)
    assert isclose(apart.error, sqrt(1 / 3 / 4 + 0.75 / 3 / 4))


def test_replaced_items_may_be_more() -> None:
    assert difference(Answered("11", "b"), Answered("1000", "a")).value == pytest.approx(0.75)


@given(st.lists(st.fixed_dictionaries({"sql": MARKS, "shell": MARKS}), min_size=2, max_size=5))
def test_forgetting_is_no_less_than_what_was_lost_since_learning(
    rows: list[dict[str, str]],
) -> None:
    found = memory([answered(**row) for row in rows], {}, BASE, EXPERTS)
    assert found.bwt is not None
    assert found.forgetting is not None
    assert found.forgetting.value >= -found.bwt.value - 1e-12
    assert -1 <= found.forgetting.value <= 1
    assert found.forgetting.error >= 0
