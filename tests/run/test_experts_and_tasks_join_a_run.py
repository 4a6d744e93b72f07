"""Experts and tasks join a run of any age: nothing is lost, repeated, or left to chance."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

import pytest

from cycleqd.api.run import Run
from cycleqd.errors import InputError, RunMismatch
from cycleqd.manifest.curriculum import Arrival
from cycleqd.records import keys
from cycleqd.records.documents import EvaluateEntry, FactorEntry, PlanDocument, Split
from cycleqd.report.from_store import report_data
from cycleqd.run.continuation import Newcomers, continue_run
from cycleqd.run.members import Members
from cycleqd.run.revision import Revision
from cycleqd.run.store import RunStore
from cycleqd.run.verification import Verifier
from cycleqd.store import MemoryStore
from tests.run.synthetic import (
    SKILLS,
    admit_synthetic,
    archives,
    begin,
    digest_of,
    do_everything,
    fresh,
    grow,
    manifest,
    renamed,
)

MORE = (*SKILLS, "regex")


def grown(depth: int = 1, **asked: object) -> RunStore:
    """A run that ended after four generations and then was asked for more."""
    run = fresh(generations=4, pipelineDepth=depth)
    do_everything(run)
    grow(run, manifest(**{"generations": 9, "pipelineDepth": depth, **asked}))  # type: ignore[arg-type]
    do_everything(run)
    return run


def plan_of(run: RunStore, generation: int) -> PlanDocument:
    plan = run.plan(keys.generation(generation))
    assert plan is not None
    return plan


def evaluations(run: RunStore, generation: int) -> list[EvaluateEntry]:
    return [e for e in plan_of(run, generation).entries if isinstance(e, EvaluateEntry)]


def verify(run: RunStore) -> None:
    again = RunStore(run.objects)
    Verifier(again, lambda candidate: digest_of(again, candidate)).verify()


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize(
    "asked", [{"skills": MORE}, {"experts": MORE}, {"skills": MORE, "experts": SKILLS}], ids=str
)
def test_a_run_that_grew_is_what_it_computes(depth: int, asked: dict[str, object]) -> None:
    run = grown(depth, **asked)
    assert run.latest().joins == (5,)
    assert run.committed() == 9
    verify(run)


def test_members_are_evaluated_on_the_new_task_alone() -> None:
    run = grown(skills=MORE)
    before = run.committed_archive(4)
    members = {m.candidate for a in before.archives.values() for m in a.members}
    experts = {keys.expert(name) for name in SKILLS}
    again = [entry for entry in evaluations(run, 5) if entry.revisit]
    assert {entry.candidate for entry in again} == members | experts
    assert len(again) == len(members | experts)
    assert {entry.tasks for entry in again} == {("regex",)}


def test_no_elite_is_lost_when_a_task_joins() -> None:
    run = grown(skills=MORE, experts=SKILLS)
    before, after = run.committed_archive(4), run.committed_archive(5)
    for task in SKILLS:
        was = {member.candidate for member in before.archives[task].members}
        assert was <= {member.candidate for member in after.archives[task].members}
    assert set(after.archives) == set(after.axes) == set(MORE)
    assert after.focus_experts["regex"] in SKILLS


def test_old_scores_and_genomes_stay() -> None:
    plain = fresh(generations=4, pipelineDepth=1)
    do_everything(plain)
    run = grown(skills=MORE)
    want, found = archives(plain.objects), archives(run.objects)
    assert {key: found[key] for key in want} == want
    scores = {
        member.candidate: member.scores
        for archive in run.committed_archive(4).archives.values()
        for member in archive.members
    }
    for archive in run.committed_archive(5).archives.values():
        for member in archive.members:
            if member.candidate in scores:
                old = scores[member.candidate]
                assert {task: member.scores[task] for task in SKILLS} == old


def test_a_new_expert_is_evaluated_everywhere_and_introduced() -> None:
    run = grown(experts=MORE)
    fresh_ones = [entry for entry in evaluations(run, 5) if not entry.revisit]
    assert [entry for entry in plan_of(run, 5).entries if isinstance(entry, FactorEntry)] in (
        [],
        [FactorEntry(expert="regex")],
    )
    assert fresh_ones[0].candidate == "expert-regex"
    introduced = fresh_ones[1:]
    assert introduced
    for entry in introduced:
        member, expert = entry.parents
        assert expert == "expert-regex"
        was, now = run.genome(member), run.genome(entry.candidate)
        assert now.layout.experts == MORE
        assert (now.scale[:3] == was.scale[:3]).all()
        assert set(now.scale[3].round(6).tolist()) in ({0.5}, {0.25})
    assert not any(entry.revisit for entry in evaluations(run, 5))


def test_numbers_of_children_go_on() -> None:
    run = grown(skills=MORE)
    assert [entry.candidate for entry in evaluations(run, 4)][-1] == "c000015"
    assert next(entry.candidate for entry in evaluations(run, 6)) == "c000016"
    assert all(set(entry.tasks) == set(MORE) for entry in evaluations(run, 6))


def test_who_joins_while_it_runs_joins_after_what_is_planned() -> None:
    run = fresh(generations=9, pipelineDepth=2)
    do_some(run, 3)
    planned = max(number for number in range(10) if run.plan(keys.generation(number)) is not None)
    grow(run, manifest(generations=9, pipelineDepth=2, skills=MORE))
    do_everything(run)
    assert run.latest().joins == (planned + 2,)
    verify(run)


def test_two_may_join_one_after_the_other() -> None:
    run = fresh(generations=4, pipelineDepth=2)
    do_everything(run)
    grow(run, manifest(generations=9, pipelineDepth=2, experts=MORE))
    grow(run, manifest(generations=12, pipelineDepth=2, skills=MORE))
    do_everything(run)
    assert run.latest().joins[0] == 5
    verify(run)
    assert set(run.committed_archive(12).archives) == set(MORE)


def test_two_may_join_while_it_runs() -> None:
    run = fresh(generations=9, pipelineDepth=2)
    do_some(run, 1)
    grow(run, manifest(generations=9, pipelineDepth=2, experts=MORE))
    grow(run, manifest(generations=9, pipelineDepth=2, experts=(*MORE, "maths"), skills=MORE))
    first, second = run.latest().joins
    assert second == first + 1
    do_everything(run)
    verify(run)


def test_who_is_looked_at_for_long_joins_after_what_was_planned_meanwhile() -> None:
    run = fresh(generations=12, pipelineDepth=2)
    do_some(run, 1)
    slowly_grown(run, lambda: do_some(run, 5), generations=12)
    assert run.committed() < RunStore(run.objects).latest().joins[0]
    do_everything(run)
    verify(run)


def test_who_is_looked_at_until_the_run_has_ended_is_refused() -> None:
    run = fresh(generations=7, pipelineDepth=2)
    do_some(run, 1)
    with pytest.raises(
        InputError, match=r"spec.evolution.generations: what is new joins in generation 8"
    ):
        slowly_grown(run, lambda: do_everything(run), generations=7)
    assert run.latest().joins == ()


def slowly_grown(run: RunStore, meanwhile: Callable[[], None], generations: int) -> None:
    """Grow a run that another process goes on with while newcomers are looked at."""

    def look(
        current: Revision,
        arrived: Sequence[Arrival],
        items: Mapping[str, frozenset[Split]],
    ) -> list[Newcomers]:
        meanwhile()
        return admit_synthetic(run.objects, current, arrived, items)

    asked = manifest(generations=generations, pipelineDepth=2, skills=MORE)
    continue_run(RunStore(run.objects), asked, look, renamed)


def test_a_raised_limit_waits_for_who_was_accepted_before() -> None:
    run = fresh(generations=9, pipelineDepth=2)
    do_some(run, 2)
    grow(run, manifest(generations=9, pipelineDepth=2, skills=MORE))
    grow(run, manifest(generations=11, pipelineDepth=2, skills=MORE))
    do_everything(run)
    assert run.committed() == 11
    verify(run)


def test_what_is_accepted_is_read_before_it_joins() -> None:
    run = fresh(generations=9, pipelineDepth=2)
    do_some(run, 2)
    before = read(run)
    grow(run, manifest(generations=9, pipelineDepth=2, skills=MORE))
    assert read(RunStore(run.objects)) == before


def read(run: RunStore) -> tuple[object, ...]:
    found = Run(run.objects)
    status = found.status()
    return (
        status.generation,
        {task: status.tasks[task] for task in SKILLS},
        found.archives(),
        found.resolve("balanced"),
        found.resolve("best:sql"),
        report_data(run).archives,
    )


def test_members_are_described_with_all_that_is_known() -> None:
    run = grown(skills=MORE)
    members = Members(run)
    introduced = keys.introduced(5, 0)
    assert set(members.scores("expert-sql")) == set(MORE)
    assert set(members.scores(introduced)) == set(MORE)
    for candidate, made in (("expert-sql", 0), ("expert-regex", 5), (introduced, 5)):
        found = members.find_entry(candidate)
        assert found is not None
        assert found[0] == made
    for number, made in ((0, 1), (15, 4), (16, 6), (31, 9)):
        found = members.find_entry(keys.child(number))
        assert found is not None
        assert found[0] == made


def do_some(run: RunStore, generations: int) -> None:
    """Work until so many generations are committed."""
    from cycleqd.roles.coordinator import Coordinator
    from cycleqd.roles.entry_queue import EntryQueue
    from cycleqd.roles.worker import Worker, WorkerSettings
    from tests.run.synthetic import SyntheticWorkbench

    coordinator, queue = Coordinator(run), EntryQueue(run, 0, 1)
    worker = Worker(run, WorkerSettings(0, 1, scratch=None), SyntheticWorkbench(run))  # type: ignore[arg-type]
    while run.committed() < generations:
        coordinator.step()
        if (work := queue.next()) is not None:
            worker.do(work)


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ({"skills": MORE, "generations": 5}, InputError, "spec.evolution.generations: what is new"),
        ({"skills": MORE[1:]}, RunMismatch, r"spec.experts\[0\].name: the run in the store has"),
        ({"skills": ("regex", *SKILLS)}, RunMismatch, r"spec.tasks\[0\].name"),
    ],
)
def test_what_cannot_join_is_refused(
    asked: dict[str, object], error: type[Exception], message: str
) -> None:
    store = MemoryStore()
    run = begin(store, manifest(generations=4, pipelineDepth=1))
    do_everything(run)
    before = sorted(store.list(""))
    with pytest.raises(error, match=message):
        grow(run, manifest(**{"generations": 9, "pipelineDepth": 1, **asked}))  # type: ignore[arg-type]
    assert sorted(store.list("")) == before


def test_earlier_versions_refuse_a_run_that_grew() -> None:
    run = grown(skills=MORE)
    document = json.loads(run.objects.read(keys.revision(1)))
    assert document["format"] == "cycleqd-revision/2"
