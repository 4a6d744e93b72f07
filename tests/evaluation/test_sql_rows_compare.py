"""Rows are compared as a multiset with a tolerance for floats, and exactly otherwise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cycleqd.evaluation.tasks.sql_rows import same_rows

CELLS = st.one_of(
    st.none(),
    st.integers(-3, 3),
    st.floats(-10, 10, allow_nan=False),
    st.sampled_from(["", "a", "1"]),
)
ROWS = st.lists(st.lists(CELLS, min_size=2, max_size=2), max_size=12)


@given(rows=ROWS, random=st.randoms(use_true_random=False))
def test_any_order_is_equal_unless_ordered(rows: list, random) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert same_rows(rows, shuffled, ordered=False)
    assert same_rows(rows, rows, ordered=True)


@given(rows=ROWS.filter(bool), other=st.lists(CELLS, min_size=2, max_size=2))
def test_multiplicity_counts(rows: list, other: list) -> None:
    assert not same_rows(rows, [*rows, rows[0]], ordered=False)
    assert not same_rows(rows, rows[1:], ordered=False)
    changed = [*rows[1:], [*rows[0][:1], "changed"]]
    assert not same_rows(rows, changed, ordered=False)


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        (1, 1.0, True),
        (1, 1.0000001, True),
        (1.0, 1.00001, False),
        (1e9, 1e9 + 1.0, True),
        (1_000_000_000, 1_000_000_001, False),
        (0.1 + 0.2, 0.3, True),
        (0, None, False),
        (None, None, True),
        ("1", 1, False),
        ("a", "A", False),
        (True, 1, True),
    ],
)
def test_cells(left: object, right: object, equal: bool) -> None:
    assert same_rows([[left]], [[right]], ordered=False) is equal
    assert same_rows([[left]], [[right]], ordered=True) is equal


def test_floats_that_sort_differently_still_match() -> None:
    left = [[1.0, 5], [1.0 + 1e-9, 3]]
    right = [[1.0, 3], [1.0 + 1e-9, 5]]
    assert same_rows(left, right, ordered=False)
    assert not same_rows(left, right, ordered=True)
