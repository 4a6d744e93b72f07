"""Final tables before somebody joins and at the end: what they cost, and what history tells."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from cycleqd.cli import app
from cycleqd.records import keys
from cycleqd.records.documents import EvaluateEntry
from cycleqd.roles.coordinator import Coordinator
from cycleqd.roles.entry_queue import EntryQueue
from cycleqd.roles.worker import Worker, WorkerSettings
from cycleqd.run.store import RunStore
from cycleqd.run.timeline import timeline
from cycleqd.run.verification import Verifier
from cycleqd.store import MemoryStore, open_store
from tests.run.synthetic import (
    SKILLS,
    SyntheticWorkbench,
    archives,
    begin,
    digest_of,
    do_everything,
    grow,
    manifest,
)

MORE = (*SKILLS, "regex")
STEPS = {"generations": 9, "pipelineDepth": 2}


def asked(run: RunStore, generation: int) -> list[EvaluateEntry]:
    plan = run.plan(keys.final(generation))
    assert plan is not None
    return [entry for entry in plan.entries if isinstance(entry, EvaluateEntry)]


def grown(run: RunStore) -> RunStore:
    """A run that regex joined when it had ended."""
    do_everything(run)
    grow(run, manifest(skills=MORE, **STEPS))
    do_everything(run)
    return run


def work(run: RunStore, generations: int) -> None:
    """Work until so many generations are committed."""
    coordinator, queue = Coordinator(run), EntryQueue(run, 0, 1)
    worker = Worker(run, WorkerSettings(0, 1, scratch=None), SyntheticWorkbench(run))  # type: ignore[arg-type]
    while run.committed() < generations:
        coordinator.step()
        if (entry := queue.next()) is not None:
            worker.do(entry)


def test_what_was_known_is_measured_before_anybody_joins() -> None:
    run = begin(MemoryStore(), manifest(**STEPS))
    work(run, 2)
    grow(run, manifest(skills=MORE, **STEPS))
    do_everything(run)
    (joined,) = run.latest().joins
    before = run.summary(joined - 1)
    assert before is not None
    assert {task for row in before.rows for task in row.test} == {*SKILLS}
    life = timeline(run)
    assert [(s.generation, s.revision) for s in life.steps] == [(joined - 1, 0), (9, 1)]
    assert set(life.steps[0].archive) == {*SKILLS}
    assert set(life.steps[1].archive) == set(life.steps[1].published) == {*MORE}
    Verifier(RunStore(run.objects), lambda candidate: digest_of(run, candidate)).verify()


def test_models_of_the_table_before_are_asked_what_is_new() -> None:
    run = grown(begin(MemoryStore(), manifest(generations=4, pipelineDepth=2)))
    early = [entry for entry in asked(run, 9) if entry.tasks == ("regex",)]
    before = run.summary(4)
    assert before is not None
    balanced = next(row.candidate for row in before.rows if row.kind == "balanced")
    # Who is in the new table as well is asked all tasks there, and nothing twice.
    again = [
        entry for entry in asked(run, 9) if (entry.candidate, entry.split) == (balanced, "test")
    ]
    assert len(again) == 1
    assert "regex" in again[0].tasks
    assert {entry.candidate for entry in early} <= {balanced}
    life = timeline(run)
    assert life.archive is not None
    assert life.archive.fwt is not None
    assert life.archive.bwt is not None
    assert life.published is not None


def test_no_held_out_item_reaches_a_generation() -> None:
    run = grown(begin(MemoryStore(), manifest(generations=4, pipelineDepth=2)))
    for number in range(run.committed() + 1):
        plan = run.plan(keys.generation(number))
        assert plan is not None
        splits = {entry.split for entry in plan.entries if isinstance(entry, EvaluateEntry)}
        assert splits == {"search"}


def test_what_joining_cost_is_told() -> None:
    run = grown(begin(MemoryStore(), manifest(generations=4, pipelineDepth=2)))
    (cost,) = timeline(run).costs
    members = {m.candidate for a in run.committed_archive(4).archives.values() for m in a.members}
    experts = {keys.expert(name) for name in SKILLS}
    assert (cost.generation, cost.experts, cost.tasks) == (5, ("regex",), ("regex",))
    assert cost.revisited == len(members | experts)
    assert cost.introduced > 1


def test_restarts_at_any_moment_change_nothing() -> None:
    at_once, restarted = (begin(MemoryStore(), manifest(**STEPS)) for _ in range(2))
    for run in (at_once, restarted):
        work(run, 2)
        grow(run, manifest(skills=MORE, **STEPS))
    do_everything(at_once)
    bench = SyntheticWorkbench(restarted)
    for _ in range(2000):
        if Coordinator(restarted).step().complete:
            break
        fresh = EntryQueue(restarted, 0, 2)
        if (entry := fresh.next()) is not None:
            Worker(restarted, WorkerSettings(0, 2, scratch=None), bench).do(entry)  # type: ignore[arg-type]
    assert archives(restarted.objects) == archives(at_once.objects)


def test_a_table_that_nobody_was_asked_more_for_is_still_verified() -> None:
    """Stores that grew before tables were made of what was known have none of its entries."""
    run = grown(begin(MemoryStore(), manifest(generations=4, pipelineDepth=2)))
    run.objects.delete(keys.final(4).commit_key)
    run.objects.delete(keys.final(9).commit_key)
    for key in list(run.objects.list("final/")):
        run.objects.delete(key)
    again = RunStore(run.objects)
    revision = again.latest()
    from cycleqd.evolution.search import Commit
    from cycleqd.run import planning

    commit = Commit.from_document(again.committed_archive(9), revision.tasks)
    plan = planning.make_final_plan(revision, commit, again.genome, None)
    run.objects.create(keys.final(9).plan_key, plan.document.to_bytes())
    Verifier(again, lambda candidate: digest_of(again, candidate)).verify()


def test_history_has_the_promised_fields(tmp_path: Path) -> None:
    grown(begin(open_store(str(tmp_path)), manifest(generations=4, pipelineDepth=2)))
    done = CliRunner().invoke(app, ["history", str(tmp_path), "--json"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.output)
    assert document["tasks"] == [*MORE]
    assert [step["generation"] for step in document["steps"]] == [4, 9]
    assert [step["revision"] for step in document["steps"]] == [0, 1]
    for step in document["steps"]:
        for line in ("archive", "published"):
            assert all(0 <= a <= 1 for a in step["accuracy"][line].values())
    for measure in ("acc", "bwt", "forgetting", "fwt"):
        assert document[measure].keys() == document["errors"][measure].keys()
        assert isinstance(document[measure]["archive"], float)
    told = CliRunner().invoke(app, ["history", str(tmp_path)])
    assert told.exit_code == 0
    assert "expert regex, task regex joined" in told.output
    assert "forward transfer" in told.output


def test_a_run_without_a_table_says_when_one_comes(tmp_path: Path) -> None:
    begin(open_store(str(tmp_path)), manifest())
    told = CliRunner().invoke(app, ["history", str(tmp_path)])
    assert told.exit_code == 0
    assert json.loads(CliRunner().invoke(app, ["history", str(tmp_path), "--json"]).output)[
        "acc"
    ] == {"archive": None, "published": None}
