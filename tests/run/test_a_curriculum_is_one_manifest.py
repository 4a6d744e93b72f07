"""A run that experts and tasks join at given generations is the one that was edited then."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cycleqd.api.run import Run
from cycleqd.errors import InputError, RunFailed, RunMismatch
from cycleqd.manifest.model import Manifest
from cycleqd.records import keys
from cycleqd.records.documents import RevisionDocument, RunDocument
from cycleqd.report.from_store import report_data
from cycleqd.roles.coordinator import Coordinator
from cycleqd.roles.entry_queue import EntryQueue
from cycleqd.roles.worker import Worker, WorkerSettings
from cycleqd.run.members import Members
from cycleqd.run.store import RunStore
from cycleqd.store import MemoryStore
from tests.run.synthetic import (
    SKILLS,
    SyntheticWorkbench,
    archives,
    begin,
    do_everything,
    grow,
    manifest,
)
from tests.run.test_experts_and_tasks_join_a_run import do_some, verify

FOUR, FIVE = (*SKILLS, "regex"), (*SKILLS, "regex", "maths")
REGEX = {"generation": 3, "experts": ["regex"], "tasks": ["regex"]}
MATHS = {"generation": 6, "experts": ["maths"], "tasks": ["maths"]}


def asked(*steps: dict[str, object], skills: tuple[str, ...] = FIVE, **more: object) -> Manifest:
    evolution = {"generations": 9, "pipelineDepth": 1, **more}
    return manifest(skills=skills, curriculum=steps, **evolution)  # type: ignore[arg-type]


def begun(document: Manifest) -> RunStore:
    return begin(MemoryStore(), document)


@pytest.fixture(scope="module")
def whole() -> RunStore:
    run = begun(asked(REGEX, MATHS))
    do_everything(run)
    return run


def test_its_archives_are_those_of_a_run_that_was_edited_then(whole: RunStore) -> None:
    run = begun(asked(skills=SKILLS))
    do_some(run, 0)
    grow(run, asked(skills=FOUR))
    do_some(run, 3)
    grow(run, asked(skills=FIVE))
    do_everything(run)
    assert run.latest().joins == whole.latest().joins == (3, 6)
    assert archives(run.objects) == archives(whole.objects)


def test_it_is_what_it_computes(whole: RunStore) -> None:
    assert whole.committed() == 9
    assert set(whole.committed_archive(2).archives) == set(SKILLS)
    assert set(whole.committed_archive(3).archives) == set(FOUR)
    assert set(whole.committed_archive(9).archives) == set(FIVE)
    verify(whole)


@settings(max_examples=15, deadline=None)
@given(
    depth=st.integers(1, 3),
    first=st.integers(1, 6),
    gap=st.integers(1, 3),
    experts=st.booleans(),
)
def test_any_generations_will_do(depth: int, first: int, gap: int, experts: bool) -> None:
    steps = [{**REGEX, "generation": first}, {**MATHS, "generation": first + gap}]
    if not experts:
        steps = [{"generation": s["generation"], "tasks": s["tasks"]} for s in steps]
    document = manifest(
        skills=FIVE,
        experts=FIVE if experts else SKILLS,
        curriculum=steps,
        generations=10,
        pipelineDepth=depth,
    )
    run = begun(document)
    do_everything(run)
    assert run.latest().joins == (first, first + gap)
    verify(run)


def test_it_is_begun_in_one_object(whole: RunStore) -> None:
    document = RunDocument.from_bytes(whole.objects.read(keys.RUN), keys.RUN)
    assert "curriculum" not in document.manifest["spec"]
    assert [step.from_generation for step in document.revisions] == [3, 6]
    assert whole.objects.children(keys.REVISIONS) == []


def test_whoever_works_may_be_another_each_time(whole: RunStore) -> None:
    run = begun(asked(REGEX, MATHS))
    for _ in range(2000):
        again = RunStore(run.objects)
        if Coordinator(again).step().complete:
            break
        again = RunStore(run.objects)
        work = EntryQueue(again, 0, 1).next()
        if work is not None:
            bench = SyntheticWorkbench(again)
            settings = WorkerSettings(0, 1, scratch=None)  # type: ignore[arg-type]
            Worker(again, settings, bench).do(work)
    assert archives(run.objects) == archives(whole.objects)


def test_the_same_manifest_changes_nothing() -> None:
    run = begun(asked(REGEX, MATHS))
    do_some(run, 4)
    before = sorted(run.objects.list(""))
    grow(run, asked(REGEX, MATHS))
    assert sorted(run.objects.list("")) == before


def test_another_step_joins_a_run_that_lives(whole: RunStore) -> None:
    run = begun(asked(REGEX, skills=FOUR))
    do_some(run, 2)
    grow(run, asked(REGEX, MATHS))
    document = RevisionDocument.from_bytes(run.objects.read(keys.revision(2)), keys.revision(2))
    assert document.from_generation == 6
    do_everything(run)
    assert archives(run.objects) == archives(whole.objects)
    verify(run)


def test_two_steps_may_be_added_at_once(whole: RunStore) -> None:
    run = begun(asked(skills=SKILLS))
    do_some(run, 0)
    grow(run, asked(REGEX, MATHS))
    do_everything(run)
    assert archives(run.objects) == archives(whole.objects)
    assert len(run.objects.children(keys.REVISIONS)) == 2


def test_who_is_in_no_step_joins_right_after_those_who_stand_before() -> None:
    run = begun(asked({**REGEX, "generation": 5}, skills=FOUR))
    do_some(run, 1)
    grow(run, asked({**REGEX, "generation": 5}))
    assert run.latest().joins == (5, 6)
    do_everything(run)
    assert set(run.committed_archive(4).archives) == set(SKILLS)
    assert set(run.committed_archive(5).archives) == set(FOUR)
    assert set(run.committed_archive(6).archives) == set(FIVE)
    verify(run)


def test_a_step_must_be_of_a_generation_that_is_not_planned() -> None:
    run = begun(asked(REGEX, skills=FOUR))
    do_some(run, 4)
    before = sorted(run.objects.list(""))
    with pytest.raises(InputError, match=r"^spec.curriculum\[1\].generation: .* write 7 or more"):
        grow(run, asked(REGEX, MATHS))
    assert sorted(run.objects.list("")) == before
    grow(run, asked(REGEX, {**MATHS, "generation": 7}))
    do_everything(run)
    verify(run)


@pytest.mark.parametrize(
    ("steps", "field"),
    [
        ([{**REGEX, "generation": 4}, MATHS], r"spec.curriculum\[0\].generation: .* has 3"),
        ([REGEX], r"spec.curriculum\[1\].generation: .* has 6"),
        ([{**REGEX, "tasks": []}, {**MATHS, "tasks": ["regex", "maths"]}], r"\[0\].tasks\[0\]"),
    ],
)
def test_steps_that_were_accepted_stay(steps: list[dict[str, object]], field: str) -> None:
    run = begun(asked(REGEX, MATHS))
    do_some(run, 1)
    with pytest.raises(RunMismatch, match=field):
        grow(run, asked(*steps))


def test_readers_know_only_who_has_joined() -> None:
    run = begun(asked(REGEX, MATHS))
    numbers = []
    for generation in (1, 3, 5):
        do_some(run, generation)
        found = Run(run.objects)
        status, report = found.status(), report_data(run)
        tasks = SKILLS if status.generation < 3 else FOUR
        assert tuple(status.tasks) == found.tasks == report.tasks == tasks
        assert ("experts", ", ".join(tasks)) in report.run.details
        assert set(found.archives()) == set(tasks)
        assert set(Members(run).scores("expert-sql")) == set(tasks)
        numbers.append(status.revision)
    assert numbers == [0, 1, 1]
    do_everything(run)
    assert Run(run.objects).status().revision == 2
    assert Run(run.objects).tasks == FIVE


def test_a_goal_may_end_it_before_a_step() -> None:
    document = manifest(
        skills=FIVE,
        curriculum=[REGEX, MATHS],
        goal=("BestMean", "0.01"),
        generations=9,
        pipelineDepth=1,
    )
    run = begun(document)
    do_everything(run)
    assert run.committed() == 0
    verify(run)
    assert Run(run.objects).status().goal_reached
    raised = asked(REGEX, MATHS)
    grow(run, raised)
    do_everything(run)
    assert set(run.committed_archive(9).archives) == set(FIVE)
    verify(run)


def test_more_candidates_may_fail_at_once() -> None:
    failing = frozenset({"c000000", "c000001"})
    run = begun(asked(REGEX, MATHS, maxFailedCandidates=1))
    with pytest.raises(RunFailed, match="maxFailedCandidates"):
        do_everything(run, failing=failing)
    grow(run, asked(REGEX, MATHS, maxFailedCandidates=2))
    run = RunStore(run.objects)
    do_everything(run, failing=failing)
    assert run.committed() == 9
    verify(run)


def test_earlier_versions_refuse_it(whole: RunStore) -> None:
    steps = json.loads(whole.objects.read(keys.RUN))["revisions"]
    assert {step["format"] for step in steps} == {"cycleqd-revision/2"}
