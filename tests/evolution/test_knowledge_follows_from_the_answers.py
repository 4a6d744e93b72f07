"""What a swarm knows follows from its verified answers: what is solved, by whom, what is not."""

from __future__ import annotations

from cycleqd.evolution.knowledge import Told, known

ITEMS = {"sql": ["q1", "q2", "q3", "q4", "q5"], "code": ["p1"]}
EXPERTS = ("expert-a", "expert-b")
TOLD = (
    Told("expert-a", 0, {"sql": {"q1": "one", "foreign": "x"}, "unknown": {"q1": "x"}}),
    Told("expert-b", 0, {"sql": {"q1": "uno", "q3": "three"}}),
    Told("c000000", 1, {"sql": {"q1": "1"}}),
    Told("c000004", 2, {"sql": {"q4": "four", "q3": "3"}}),
    Told("c000005", 2, {"sql": {"q4": "vier", "q2": "two"}}),
)


def test_by_hand() -> None:
    found = known(ITEMS, TOLD, 3, EXPERTS)
    sql, code = found["sql"], found["code"]
    assert sql.solved == (2, 2, 4, 4)
    assert [(f.item, f.candidate, f.answer, f.solvers) for f in sql.firsts] == [
        ("q1", "expert-a", "one", 3),
        ("q2", "c000005", "two", 1),
        ("q3", "expert-b", "three", 2),
        ("q4", "c000004", "four", 2),
    ]
    assert sql.unsolved == ("q5",)
    assert [(f.item, f.candidate) for f in sql.new()] == [("q4", "c000004"), ("q2", "c000005")]
    assert sql.alone() == {"c000005": ("q2",)}
    assert [f.item for f in sql.samples(3)] == ["q2", "q4", "q3"]
    assert (code.items, code.solved, code.firsts, code.unsolved) == (1, (0, 0, 0, 0), (), ("p1",))


def test_what_an_expert_is_asked_later_is_new_to_nobody() -> None:
    later = (*TOLD, Told("expert-b", 3, {"sql": {"q4": "IV", "q5": "V"}}))
    sql = known(ITEMS, later, 3, EXPERTS)["sql"]
    assert sql.by_experts == {"q1", "q3", "q4", "q5"}
    assert [f.item for f in sql.new()] == ["q2"]
    assert sql.solved == (2, 2, 4, 5)


def test_no_answers_are_no_knowledge() -> None:
    found = known(ITEMS, (), 0, EXPERTS)
    assert found["sql"].solved == (0,)
    assert found["sql"].alone() == {}
