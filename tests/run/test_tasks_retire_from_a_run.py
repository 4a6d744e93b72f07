"""A task retires from a run of any age: its archive and its axis go, what was evaluated stays."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from cycleqd.api.run import Run
from cycleqd.cli import app
from cycleqd.errors import InputError, ManifestError, RunMismatch
from cycleqd.records import keys
from cycleqd.records.documents import EvaluateEntry, ResultDocument
from cycleqd.report.from_store import report_data
from cycleqd.roles.coordinator import Coordinator
from cycleqd.run.admission import admit
from cycleqd.run.members import Members
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
    fresh,
    grow,
    manifest,
)
from tests.run.test_experts_and_tasks_join_a_run import do_some

if TYPE_CHECKING:
    from pathlib import Path

    from cycleqd.evolution.archive import Cell

GONE = "python"
REST = ("sql", "shell")
MORE = (*SKILLS, "regex")


def retired(depth: int = 1, **asked: object) -> RunStore:
    """A run that ended after four generations and then went on without a task."""
    run = fresh(generations=4, pipelineDepth=depth)
    do_everything(run)
    asked = {"generations": 9, "pipelineDepth": depth, "retired": (GONE,), **asked}
    grow(run, manifest(**asked))  # type: ignore[arg-type]
    do_everything(run)
    return run


def verify(run: RunStore) -> None:
    again = RunStore(run.objects)
    Verifier(again, lambda candidate: digest_of(again, candidate)).verify()


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"skills": MORE, "experts": SKILLS},
        {"experts": MORE},
        {"tune": {"share": "0.5", "holdOutShare": "0.2"}},
        {"tolerance": 0.02},
        {"items": {"sql": {"searchLimit": 30}}},
        {"items": {"sql": {"search": "others.jsonl"}}, "tune": {"holdOutShare": "0.2"}},
    ],
    ids=str,
)
def test_a_run_that_goes_on_without_a_task_is_what_it_computes(
    depth: int, asked: dict[str, object]
) -> None:
    begun = {name: value for name, value in asked.items() if name in ("tune", "tolerance")}
    run = fresh(generations=4, pipelineDepth=depth, **begun)
    do_everything(run)
    grow(run, manifest(generations=9, pipelineDepth=depth, retired=(GONE,), **asked))  # type: ignore[arg-type]
    do_everything(run)
    assert run.latest().joins == (5,)
    assert run.committed() == 9
    assert GONE not in run.committed_archive(5).archives
    verify(run)


def test_nothing_is_evaluated_for_it() -> None:
    run = retired()
    plan = run.plan(keys.generation(5))
    assert plan is not None
    assert plan.entries == ()
    assert run.committed_archive(5).evaluations == run.committed_archive(4).evaluations
    for number in range(6, 10):
        plan = run.plan(keys.generation(number))
        assert plan is not None
        assert {e.tasks for e in plan.entries if isinstance(e, EvaluateEntry)} == {REST}


def test_its_archive_and_its_axis_go() -> None:
    run = retired()
    for number, tasks in ((4, SKILLS), (5, REST), (9, REST)):
        archive = run.committed_archive(number)
        assert set(archive.archives) == set(archive.axes) == set(archive.focus_experts) == {*tasks}
        for record in archive.archives.values():
            assert all(set(member.scores) == {*tasks} for member in record.members)
            assert all(len(member.cell) == len(tasks) - 1 for member in record.members)


def test_of_cells_that_become_one_the_better_elite_stays() -> None:
    run = retired()
    before, after = run.committed_archive(4), run.committed_archive(5)
    place = [other for other in SKILLS if other != "sql"].index("shell")
    best: dict[Cell, float] = {}
    for member in before.archives["sql"].members:
        cell = (member.cell[place],)
        best[cell] = max(best.get(cell, 0.0), member.scores["sql"])
    found = {member.cell: member.scores["sql"] for member in after.archives["sql"].members}
    assert found == best
    assert len(found) < len(before.archives["sql"].members)


def test_history_stays_readable() -> None:
    run = retired()
    found = Run(run.objects)
    assert set(found.archives(4)) == {*SKILLS}
    assert set(found.archives()) == set(found.status().tasks) == {*REST}
    assert all(set(e.scores) == {*SKILLS} for a in found.archives(4).values() for e in a)
    assert set(Members(run).scores("expert-sql")) == {*REST}
    assert run.objects.exists(keys.items(GONE, "search"))
    assert report_data(run).tasks == REST
    assert [set(row.best) for row in report_data(run).history][4:6] == [{*SKILLS}, {*REST}]


def test_the_final_table_is_without_it() -> None:
    run = retired()
    for number, tasks in ((4, SKILLS), (9, REST)):
        summary = run.summary(number)
        assert summary is not None
        assert {frozenset(row.test) for row in summary.rows} == {frozenset(tasks)}


def test_what_was_accepted_before_stays() -> None:
    plain = fresh(generations=4, pipelineDepth=1)
    do_everything(plain)
    found = archives(retired().objects)
    want = archives(plain.objects)
    assert {key: found[key] for key in want} == want


def test_who_retires_while_it_runs_retires_after_what_is_planned() -> None:
    run = fresh(generations=9, pipelineDepth=2)
    do_some(run, 3)
    planned = max(number for number in range(10) if run.plan(keys.generation(number)) is not None)
    grow(run, manifest(generations=9, pipelineDepth=2, retired=(GONE,)))
    assert set(Run(run.objects).archives()) == {*SKILLS}
    do_everything(run)
    assert run.latest().joins == (planned + 2,)
    verify(run)


def test_a_task_may_follow_in_another_s_place() -> None:
    run = retired()
    grow(run, manifest(generations=12, pipelineDepth=1, retired=(GONE,), skills=MORE))
    do_everything(run)
    assert set(run.committed_archive(12).archives) == {*REST, "regex"}
    grow(run, manifest(generations=15, pipelineDepth=1, retired=(GONE, "sql"), skills=MORE))
    do_everything(run)
    assert set(run.committed_archive(15).archives) == {"shell", "regex"}
    verify(run)


def test_who_is_announced_joins_before_somebody_retires() -> None:
    announced: dict[str, object] = {
        "skills": MORE,
        "curriculum": [{"generation": 6, "experts": ["regex"], "tasks": ["regex"]}],
    }
    run = fresh(generations=9, pipelineDepth=1, **announced)
    do_some(run, 3)
    grow(run, manifest(generations=9, pipelineDepth=1, retired=(GONE,), **announced))  # type: ignore[arg-type]
    do_everything(run)
    assert run.latest().joins == (6, 7)
    assert set(run.committed_archive(6).archives) == {*MORE}
    assert set(run.committed_archive(7).archives) == {*REST, "regex"}
    verify(run)


def test_who_retires_goes_before_those_who_are_announced_at_the_same_time() -> None:
    run = fresh(generations=9, pipelineDepth=1)
    do_some(run, 1)
    steps = [{"generation": 6, "experts": ["regex"], "tasks": ["regex"]}]
    grow(
        run,
        manifest(generations=9, pipelineDepth=1, retired=(GONE,), skills=MORE, curriculum=steps),
    )
    do_everything(run)
    first, last = run.latest().joins
    assert last == 6
    assert set(run.committed_archive(first).archives) == {*REST}
    assert set(run.committed_archive(6).archives) == {*REST, "regex"}
    verify(run)


def test_history_tells_who_retired_and_measures_the_tasks_that_are_left(tmp_path: Path) -> None:
    run = begin(open_store(str(tmp_path)), manifest(generations=4, pipelineDepth=1))
    do_everything(run)
    grow(run, manifest(generations=9, pipelineDepth=1, retired=(GONE,)))
    do_everything(run)
    told = CliRunner().invoke(app, ["history", str(tmp_path)])
    assert told.output.startswith(f"generation 5: {GONE} retired\n")
    life = timeline(run)
    (cost,) = life.costs
    assert (cost.generation, cost.retired, cost.revisited, cost.introduced) == (5, (GONE,), 0, 0)
    assert life.tasks == REST
    assert [set(step.archive) for step in life.steps] == [{*SKILLS}, {*REST}]
    assert life.archive is not None
    assert set(life.archive.forgotten) == {*REST}


def test_one_task_is_enough() -> None:
    run = retired(retired=SKILLS[:2])
    assert set(run.committed_archive(9).archives) == {"shell"}
    assert [m.cell for m in run.committed_archive(5).archives["shell"].members] == [()]
    verify(run)


def test_restarts_anywhere_change_nothing() -> None:
    whole = retired(depth=2)
    run = fresh(generations=4, pipelineDepth=2)
    do_everything(run)
    grow(run, manifest(generations=9, pipelineDepth=2, retired=(GONE,)))
    bench = SyntheticWorkbench(run)
    while True:  # each step and each result is another process's
        progress = Coordinator(RunStore(run.objects)).step()
        if progress.complete:
            break
        for number in [stage.stage for stage in progress.stages]:
            plan = run.plan(number)
            assert plan is not None
            again = RunStore(run.objects)
            missing = set(range(len(plan.entries))) - again.finished_entries(number)
            for index in sorted(missing)[-1:]:
                entry = plan.entries[index]
                assert isinstance(entry, EvaluateEntry)
                result: ResultDocument = bench.evaluate(entry, again.latest())
                stored = result.model_copy(update={"entry": index})
                run.objects.create(number.result_key(index), stored.to_bytes())
    assert archives(run.objects) == archives(whole.objects)


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        (
            {"generations": 5},
            InputError,
            r"^spec\.evolution\.generations: python would retire in generation 5, and the run",
        ),
        (
            {"skills": MORE, "retired": ("regex",)},
            InputError,
            r"^spec\.tasks\[3\]\.retired: regex has never been part of this run",
        ),
        ({"skills": SKILLS[1:]}, RunMismatch, r"spec\.tasks\[0\]\.name: the run in the store has"),
    ],
)
def test_what_cannot_retire_is_refused(
    asked: dict[str, object], error: type[Exception], message: str
) -> None:
    run = begin(MemoryStore(), manifest(generations=4, pipelineDepth=1))
    do_everything(run)
    before = sorted(run.objects.list(""))
    wanted = {"generations": 9, "pipelineDepth": 1, "retired": (GONE,), **asked}
    with pytest.raises(error, match=message):
        grow(run, manifest(**wanted))  # type: ignore[arg-type]
    assert sorted(run.objects.list("")) == before


def test_a_run_begins_without_what_is_retired(tmp_path: Path) -> None:
    store = MemoryStore()
    with pytest.raises(InputError, match=r"^spec\.tasks\[1\]\.retired: python has never been pa"):
        admit(store, manifest(retired=(GONE,)), checkpoints=tmp_path)
    assert not RunStore(store).exists()


def test_all_tasks_cannot_retire() -> None:
    with pytest.raises(ManifestError, match=r"spec\.tasks: all are retired; leave one, or append"):
        manifest(retired=SKILLS)


def test_what_is_retired_stays_so() -> None:
    run = retired()
    with pytest.raises(RunMismatch, match=r"^spec\.tasks\[1\]\.retired: .* has true, the manifest"):
        grow(run, manifest(generations=12, pipelineDepth=1))


def test_strategies_that_take_in_nobody_let_nobody_go() -> None:
    run = begin(MemoryStore(), manifest(generations=4, strategy="CMAES"))
    wanted = manifest(generations=9, strategy="CMAES", retired=(GONE,))
    with pytest.raises(InputError, match=r"^spec\.evolution\.strategy: CMAES .* nor go on without"):
        grow(run, wanted)


def test_the_revision_has_no_more_than_it_needs() -> None:
    run = retired()
    document = json.loads(run.objects.read(keys.revision(1)))
    assert set(document) == {"format", "manifest", "fromGeneration"}
    assert document["format"] == "cycleqd-revision/4"
    assert b"retired" not in run.objects.read(keys.RUN)
