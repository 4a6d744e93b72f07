"""Which answers are taught follows from what is stored, in any process."""

from __future__ import annotations

import pytest

from cycleqd.evolution.lessons import Choice, choose, gather, only_solver

TOLD = (
    ("expert-sql", {"q1": "SELECT a FROM t", "q2": "SELECT 1"}),
    ("c000000", {"q1": "SELECT a FROM t\n", "q3": "SELECT b FROM t WHERE c = 1"}),
    ("c000001", {"q1": "SELECT t.a FROM t AS t", "q3": "SELECT b FROM t WHERE 1 = c"}),
    ("c000002", {"q1": "SELECT  a  FROM  t"}),
)


def test_equal_answers_are_one_way() -> None:
    ways = gather(TOLD)
    assert list(ways) == ["q1", "q2", "q3"]
    first, second, third = ways["q1"]
    assert (first.answer, first.givers) == ("SELECT a FROM t", ("expert-sql", "c000000"))
    assert second.givers == ("c000001",)
    assert third.givers == ("c000002",)


@pytest.mark.parametrize(
    ("choice", "givers"),
    [
        ("Shortest", ["expert-sql", "c000002", "c000001"]),
        ("Frequent", ["expert-sql", "c000002", "c000001"]),
        ("Diverse", ["expert-sql", "c000001", "c000002"]),
    ],
)
def test_choices(choice: Choice, givers: list[str]) -> None:
    taught = choose(gather(TOLD)["q1"], 3, choice)
    assert [lesson.givers[0] for lesson in taught] == givers
    assert choose(gather(TOLD)["q1"], 1, choice) == taught[:1]


def test_the_most_frequent_comes_before_a_shorter_one() -> None:
    told = [("a", {"q": "long answer"}), ("b", {"q": "long answer"}), ("c", {"q": "short"})]
    ways = gather(told)["q"]
    assert [way.answer for way in choose(ways, 2, "Frequent")] == ["long answer", "short"]
    assert [way.answer for way in choose(ways, 2, "Shortest")] == ["short", "long answer"]


@pytest.mark.parametrize(
    ("choice", "givers"),
    [
        ("Shortest", ["c000001", "expert-sql", "c000002"]),
        ("Frequent", ["c000001", "expert-sql", "c000002"]),
        ("Diverse", ["c000001", "expert-sql", "c000002"]),
    ],
)
def test_what_a_teacher_gave_comes_first(choice: Choice, givers: list[str]) -> None:
    ways = gather(TOLD)["q1"]
    taught = choose(ways, 3, choice, ["c000001", "c000009"])
    assert [lesson.givers[0] for lesson in taught] == givers
    # Who gave the same answer as others is no less its teacher.
    taught = choose(ways, 3, choice, ["c000000", "c000001"])
    assert {lesson.givers[0] for lesson in taught[:2]} == {"expert-sql", "c000001"}


@pytest.mark.parametrize("choice", ["Shortest", "Frequent", "Diverse"])
def test_who_tells_first_decides_nothing_but_the_givers_order(choice: Choice) -> None:
    forward, backward = gather(TOLD), gather(reversed(TOLD))
    for item in forward:
        one = [way.answer.strip() for way in choose(forward[item], 2, choice)]
        other = [way.answer.strip() for way in choose(backward[item], 2, choice)]
        assert one == other


def test_who_solves_what_nobody_else_does() -> None:
    assert only_solver(gather(TOLD)) == {"q2": "expert-sql"}
