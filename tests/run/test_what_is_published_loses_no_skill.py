"""``spec.publication``: the model that a run stands for changes only where no task gets worse."""

from __future__ import annotations

from typing import Any

import pytest

from cycleqd.api.run import Run
from cycleqd.evolution.publication import holds_back, losses
from cycleqd.records import keys
from cycleqd.records.documents import EvaluateEntry, ResultDocument
from cycleqd.records.final_table import LossRecord, PublicationRecord
from cycleqd.run.members import resolve_member
from cycleqd.run.revision import Revision
from cycleqd.run.store import RunStore
from cycleqd.run.verification import Verifier
from cycleqd.store import MemoryStore
from tests.run.synthetic import (
    ITEMS,
    SyntheticWorkbench,
    begin,
    digest_of,
    do_everything,
    grow,
    manifest,
)


class Traders(SyntheticWorkbench):
    """Who is made after the first table solves all of two skills, and less of the third."""

    def __init__(self, run: RunStore, sql: float) -> None:
        super().__init__(run)
        self._sql = sql

    def evaluate(self, entry: EvaluateEntry, revision: Revision) -> ResultDocument:
        result = super().evaluate(entry, revision)
        number = keys.child_number(entry.candidate)
        if (number is None or number < 8) and not entry.candidate.startswith("aggregate-000004"):
            return result
        solved = {"sql": round(self._sql * ITEMS)}
        outcomes = {
            task: "1" * solved.get(task, ITEMS) + "0" * (ITEMS - solved.get(task, ITEMS))
            for task in result.outcomes
        }
        scores = {task: marks.count("1") / ITEMS for task, marks in outcomes.items()}
        return result.model_copy(update={"outcomes": outcomes, "scores": scores})


def published_twice(tolerance: float | None, sql: float, **settings: Any) -> RunStore:
    """A run that ended after two generations and after four."""
    asked = {"pipelineDepth": 1, "aggregate": {"method": "Front"}, **settings}
    run = begin(MemoryStore(), manifest(generations=2, tolerance=tolerance, **asked))
    do_everything(run)
    grow(run, manifest(generations=4, tolerance=tolerance, **asked))
    do_everything(run, bench=Traders(run, sql))
    return run


def record(run: RunStore, generation: int) -> PublicationRecord | None:
    table = run.summary(generation)
    assert table is not None
    return table.published


def test_a_model_that_loses_a_skill_is_held_back() -> None:
    run = published_twice(0.02, sql=0.4)
    first, second = record(run, 2), record(run, 4)
    assert first is not None
    assert second is not None
    assert first.held is None
    assert second.candidate == first.candidate
    assert second.held not in (None, first.candidate)
    assert second.losses["sql"].mean > 0.02
    status = Run(run.objects).status()
    assert status.recommended is not None
    assert status.recommended.candidate == first.candidate == resolve_member(run, "published")
    assert status.recommended.scores
    assert second.held is not None
    assert run.objects.exists(keys.genome(second.held))  # so it can be exported
    Verifier(RunStore(run.objects), lambda candidate: digest_of(run, candidate)).verify()


def test_a_model_that_loses_nothing_takes_the_place() -> None:
    run = published_twice(0.02, sql=1.0)
    first, second = record(run, 2), record(run, 4)
    assert first is not None
    assert second is not None
    assert second.held is None
    assert second.candidate != first.candidate
    assert all(loss.mean <= 0 for loss in second.losses.values())


def test_what_is_tolerated_is_the_manifests() -> None:
    held, let = (record(published_twice(t, sql=0.4), 4) for t in (0.02, 0.9))
    assert held is not None
    assert let is not None
    assert held.held == let.candidate
    assert let.held is None


def test_without_a_gate_nothing_is_asked_or_written() -> None:
    run = published_twice(None, sql=0.4)
    assert record(run, 4) is None
    plan = run.plan(keys.final(4))
    assert plan is not None
    searched = [e.candidate for e in plan.entries if getattr(e, "split", "") == "search"]
    assert all(candidate.startswith("aggregate-000004-best-") for candidate in searched)
    (taken,) = {row.candidate for row in [Run(run.objects).status().recommended] if row}
    assert resolve_member(run, "published") == taken


def test_the_gate_may_come_later() -> None:
    run = begin(MemoryStore(), manifest(generations=2, pipelineDepth=1))
    do_everything(run)
    grow(run, manifest(generations=4, pipelineDepth=1, tolerance=0.02))
    do_everything(run)
    assert record(run, 2) is None
    assert record(run, 4) is not None
    Verifier(RunStore(run.objects), lambda candidate: digest_of(run, candidate)).verify()


def test_losses_are_paired_item_by_item() -> None:
    found = losses({"a": "1100", "b": "1111"}, {"a": "1010", "b": "1111"})
    assert (found["a"].mean, found["b"].mean, found["b"].error) == (0, 0, 0)
    assert found["a"].error > 0


@pytest.mark.parametrize(
    ("mean", "error", "held"),
    [(0.1, 0.0, True), (0.1, 0.09, False), (0.02, 0.0, False), (-0.5, 0.1, False)],
)
def test_only_what_the_items_can_tell_is_a_loss(mean: float, error: float, held: bool) -> None:
    assert holds_back([LossRecord(mean=mean, error=error)], 0.02) is held
