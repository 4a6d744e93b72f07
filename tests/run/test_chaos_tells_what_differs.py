"""Two stores that should be the same: what is told of a difference fits on a page."""

from __future__ import annotations

import pytest

from cycleqd.store import MemoryStore
from tests.run.chaos import assert_same, differences


def test_each_difference_by_hand() -> None:
    want = {"same": b"1", "lost": b"1", "cut": b"ab", "other": b"x" * 99 + b"1" + b"y" * 99}
    found = {"same": b"1", "more": b"1", "cut": b"a", "other": b"x" * 99 + b"2" + b"y" * 99}
    assert [line.partition(": b'")[0] for line in differences(want, found)] == [
        "cut: differs at byte 1",
        "lost: is missing",
        "more: nobody expects it",
        "other: differs at byte 99",
    ]
    assert max(len(line) for line in differences(want, found)) < 300


def test_outcomes_are_told_where_something_else_differs() -> None:
    want, found = MemoryStore(), MemoryStore()
    for store, outcomes in (
        (want, b'{"outcomes":{"sql":"01"}}'),
        (found, b'{"outcomes":{"sql":"11"}}'),
    ):
        store.create("generations/000001/results/000000.json", outcomes)
    assert_same(want, found)
    found.create("candidates/c000001/answers.json", b"{}")
    with pytest.raises(AssertionError, match=r"(?s)answers\.json: nobody expects it.*'01'.*'11'"):
        assert_same(want, found)
