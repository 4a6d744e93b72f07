"""A goal is a threshold on the last committed archive; a run without one ends by its number."""

from __future__ import annotations

import pytest

from cycleqd.evolution.goal import best_mean, goal_met, has_ended, total_coverage, total_qd_score
from cycleqd.manifest.model import Goal, Spec
from cycleqd.records.documents import ArchiveDocument
from tests.evolution.runs import spec

TWO_TASKS = ArchiveDocument.from_bytes(
    b"""{"format": "cycleqd-archive/1", "generation": 3, "evaluations": 9, "candidates": 6,
    "focus_experts": {"a": "a", "b": "b"}, "hypervolume": 0.5, "failed": [],
    "axes": {"a": {"lower": 0, "upper": 1, "bins": 4}, "b": {"lower": 0, "upper": 1, "bins": 4}},
    "archives": {
      "a": {"coverage": 0.25, "qd_score": 0.5, "best": 0.5, "members": [
        {"cell": [0], "candidate": "c1", "scores": {"a": 0.5, "b": 0.125}}]},
      "b": {"coverage": 0.5, "qd_score": 1.0, "best": 0.75, "members": [
        {"cell": [0], "candidate": "c2", "scores": {"a": 0.0, "b": 0.25}},
        {"cell": [2], "candidate": "c3", "scores": {"a": 0.5, "b": 0.75}}]}}}""",
    "archive.json",
)


def test_measures_are_over_all_archives() -> None:
    assert total_coverage(TWO_TASKS) == 3 / 8
    assert total_qd_score(TWO_TASKS) == 1.5
    assert best_mean(TWO_TASKS) == (0.5 + 0.75) / 2


@pytest.mark.parametrize(
    ("metric", "reached", "missed"),
    [("Coverage", 0.375, 0.376), ("QDScore", 1.5, 1.51), ("BestMean", 0.625, 0.63)],
)
def test_the_threshold_itself_counts(metric: str, reached: float, missed: float) -> None:
    assert goal_met(Goal(metric=metric, value=reached), TWO_TASKS)  # type: ignore[arg-type]
    assert not goal_met(Goal(metric=metric, value=missed), TWO_TASKS)  # type: ignore[arg-type]


def _with(generations: int, goal: Goal | None) -> Spec:
    run = spec()
    evolution = run.evolution.model_copy(update={"generations": generations})
    return run.model_copy(update={"evolution": evolution, "goal": goal})


@pytest.mark.parametrize(
    ("generations", "value", "ended"),
    [(3, None, True), (4, None, False), (4, 1.5, True), (4, 1.6, False), (3, 1.6, True)],
)
def test_a_run_ends_at_its_goal_or_its_last_generation(
    generations: int, value: float | None, ended: bool
) -> None:
    goal = None if value is None else Goal(metric="QDScore", value=value)
    assert has_ended(_with(generations, goal), TWO_TASKS) is ended


def test_nothing_ends_before_the_experts_are_evaluated() -> None:
    assert not has_ended(_with(1, Goal(metric="Coverage", value=0.001)), None)
