"""An epoch shows the answers of each task as often as its share says."""

from __future__ import annotations

from collections import Counter

import pytest

from cycleqd.evolution.lessons import Lesson
from cycleqd.run.teaching import shown


def lessons(task: str, count: int = 10) -> tuple[Lesson, ...]:
    return tuple(Lesson(f"{task}-{n}", "x", ("a",)) for n in range(count))


def times(share: float, seed: int = 1) -> Counter[str]:
    pairs = shown({"sql": lessons("sql")}, {"sql": share}, seed)
    return Counter(lesson.item for _, lesson in pairs)


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.0, {0: 10}), (1.0, {1: 10}), (0.5, {0: 5, 1: 5}), (2.3, {2: 7, 3: 3})],
)
def test_how_often(share: float, expected: dict[int, int]) -> None:
    found = times(share)
    often = Counter(found[f"sql-{n}"] for n in range(10))
    assert often == expected


def test_which_are_left_out_is_drawn() -> None:
    assert times(0.5) == times(0.5)
    assert len({frozenset(times(0.5, seed)) for seed in range(20)}) > 10


def test_tasks_follow_each_other() -> None:
    told = {"sql": lessons("sql", 2), "shell": lessons("shell", 1)}
    pairs = shown(told, {"sql": 1.0, "shell": 2.0}, 0)
    assert [task for task, _ in pairs] == ["sql", "sql", "shell", "shell"]
