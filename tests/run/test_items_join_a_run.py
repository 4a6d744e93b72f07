"""A task of a living run gets other items: what is new is asked once, and versions never mix."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cycleqd.errors import InputError, StoreCorrupt, VerificationError
from cycleqd.records import keys
from cycleqd.records.documents import EvaluateEntry, ResultDocument
from cycleqd.roles.coordinator import Coordinator
from cycleqd.roles.entry_queue import EntryQueue
from cycleqd.roles.worker import Worker, WorkerSettings
from cycleqd.run.members import Members
from cycleqd.run.store import RunStore
from cycleqd.run.told import ToldResults
from cycleqd.run.verification import Verifier
from cycleqd.store import MemoryStore
from tests.run.synthetic import (
    ITEMS,
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

MORE = ITEMS + 10
MORE_SKILLS = (*SKILLS, "regex")
EXTENDED = {"sql": {"searchLimit": MORE}}
REPLACED = {"sql": {"search": "other.jsonl", "searchLimit": 15}}
TESTED = {"sql": {"test": "other.test.jsonl"}}
WITH_SHARES = {"tune": {"share": "0.2", "holdOutShare": "0.3"}}


def renewed(items: dict[str, Any], depth: int = 1, **asked: Any) -> RunStore:
    """A run that ended after four generations and was then given other items."""
    begun = {key: value for key, value in asked.items() if key not in {"skills", "experts"}}
    run = fresh(generations=4, pipelineDepth=depth, **begun)
    do_everything(run)
    grow(run, manifest(generations=9, pipelineDepth=depth, items=items, **asked))
    do_everything(run)
    return run


def verify(run: RunStore) -> None:
    again = RunStore(run.objects)
    Verifier(again, lambda candidate: digest_of(again, candidate)).verify()


def evaluated(run: RunStore, generation: int) -> list[tuple[EvaluateEntry, ResultDocument]]:
    return list(run.evaluated(keys.generation(generation)))


def members(run: RunStore, generation: int) -> set[str]:
    document = run.committed_archive(generation)
    return {m.candidate for record in document.archives.values() for m in record.members}


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("items", [EXTENDED, REPLACED, {**EXTENDED, "shell": {"search": "x"}}])
def test_a_run_with_other_items_is_what_it_computes(depth: int, items: dict[str, Any]) -> None:
    run = renewed(items, depth)
    assert run.latest().joins == (5,)
    assert run.committed() == 9
    verify(run)


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize(
    ("items", "first", "asked"), [(EXTENDED, ITEMS, MORE - ITEMS), (REPLACED, 0, 15)]
)
def test_members_and_experts_are_asked_once_and_only_what_is_new(
    depth: int, items: dict[str, Any], first: int, asked: int
) -> None:
    run = renewed(items, depth)
    again = evaluated(run, 5)
    wanted = members(run, 4) | {keys.expert(name) for name in SKILLS}
    assert sorted(entry.candidate for entry, _ in again) == sorted(wanted)
    for entry, result in again:
        assert entry.tasks == ("sql",)
        assert entry.revisit == 5
        assert entry.first_items == ({"sql": first} if first else {})
        assert {task: len(marks) for task, marks in result.outcomes.items()} == {"sql": asked}
    before, after = run.committed_archive(4), run.committed_archive(5)
    assert after.evaluations - before.evaluations == len(wanted)


def test_scores_of_extended_items_are_those_of_all_of_them() -> None:
    run = renewed(EXTENDED)
    old = {m: Members(run).find_entry(m) for m in members(run, 5)}
    again = {entry.candidate: result for entry, result in evaluated(run, 5)}
    for record in run.committed_archive(5).archives.values():
        for member in record.members:
            found = old[member.candidate]
            assert found is not None
            first = run.result(keys.generation(found[0]), found[1]).outcomes["sql"]
            marks = first + again[member.candidate].outcomes["sql"]
            assert member.scores["sql"] == marks.count("1") / MORE


def test_scores_of_replaced_items_are_of_these_alone() -> None:
    run = renewed(REPLACED)
    again = {entry.candidate: result for entry, result in evaluated(run, 5)}
    after = run.committed_archive(5)
    for record in after.archives.values():
        for member in record.members:
            assert member.scores["sql"] == again[member.candidate].scores["sql"]
    experts = [again[keys.expert(name)].scores["sql"] for name in SKILLS]
    assert after.axes["sql"].lower == pytest.approx(0.85 * min(experts))


def test_scores_on_the_other_tasks_stay() -> None:
    run = renewed(REPLACED)
    scores = {
        member.candidate: member.scores
        for record in run.committed_archive(4).archives.values()
        for member in record.members
    }
    for record in run.committed_archive(5).archives.values():
        for member in record.members:
            for task in ("python", "shell"):
                assert member.scores[task] == scores[member.candidate][task]


@pytest.mark.parametrize("items", [EXTENDED, REPLACED])
def test_plans_read_nothing_of_items_that_count_no_longer(items: dict[str, Any]) -> None:
    run = renewed(items, depth=3)
    told = {one.candidate: one for one in ToldResults(run).up_to(9)()}
    count = run.latest().items["sql"]["search"].count
    assert {len(one.outcomes["sql"]) for one in told.values()} == {count}
    assert {keys.expert(name) for name in SKILLS} | members(run, 9) <= told.keys()
    left = {entry.candidate for n in range(1, 5) for entry, _ in evaluated(run, n)} - told.keys()
    assert left
    assert not left & members(run, 5)
    for one in told.values():
        assert one.scores["sql"] == one.outcomes["sql"].count("1") / count


@pytest.mark.parametrize("items", [EXTENDED, REPLACED])
def test_members_are_described_by_the_items_that_count(items: dict[str, Any]) -> None:
    run = renewed(items)
    found = Members(run)
    scores = {
        member.candidate: member.scores
        for record in run.committed_archive(9).archives.values()
        for member in record.members
    }
    for candidate, known in scores.items():
        assert found.scores(candidate) == known
        outcomes = found.outcomes(candidate)
        assert outcomes is not None
        assert len(outcomes["sql"]) == run.latest().items["sql"]["search"].count
    forgotten = next(
        entry.candidate for entry, _ in evaluated(run, 1) if entry.candidate not in members(run, 4)
    )
    assert set(found.scores(forgotten)) == {"python", "shell"}
    assert found.outcomes(forgotten) is None


def test_items_are_added_again_and_replaced_in_the_end() -> None:
    run = fresh(generations=3, pipelineDepth=2)
    do_everything(run)
    last = {"sql": {"search": "other.jsonl", "searchLimit": 8}}
    steps = (EXTENDED, {"sql": {"searchLimit": MORE + 5}}, last)
    for number, items in enumerate(steps, start=1):
        grow(run, manifest(generations=3 + 3 * number, pipelineDepth=2, items=items))
        do_everything(run)
    assert run.latest().joins == (4, 7, 10)
    firsts = [evaluated(run, number)[0][0].first_items for number in run.latest().joins]
    assert firsts == [{"sql": ITEMS}, {"sql": MORE}, {}]
    versions = [revision.items["sql"]["search"] for revision in run.history.refresh()]
    assert [record.extends for record in versions] == [(), (ITEMS,), (ITEMS, MORE), ()]
    assert len({revision.items_key("sql", "search") for revision in run.history.refresh()}) == 4
    verify(run)


def test_changes_of_one_moment_join_one_after_the_other() -> None:
    run = fresh(generations=9, pipelineDepth=1)
    do_some(run, 3)
    more = {"sql": {"searchLimit": MORE + 5}}
    for asked in ({"items": EXTENDED}, {"items": more}, {"items": more, "skills": MORE_SKILLS}):
        grow(run, manifest(generations=9, pipelineDepth=1, **asked))  # type: ignore[arg-type]
    do_everything(run)
    joined = run.latest().joins
    assert joined == tuple(range(joined[0], joined[0] + 3))
    again = [[e for e, _ in evaluated(run, number) if e.revisit] for number in joined]
    assert [{e.tasks for e in each} for each in again] == [{("sql",)}, {("sql",)}, {("regex",)}]
    firsts = [{json.dumps(e.first_items) for e in each} for each in again[:2]]
    assert firsts == [{json.dumps({"sql": ITEMS})}, {json.dumps({"sql": MORE})}]
    verify(run)


def test_a_task_joins_with_other_items() -> None:
    run = renewed(EXTENDED, skills=MORE_SKILLS)
    again = [entry for entry, _ in evaluated(run, 5) if entry.revisit]
    assert {entry.tasks for entry in again} == {("sql", "regex")}
    assert {json.dumps(entry.first_items) for entry in again} == {json.dumps({"sql": ITEMS})}
    verify(run)


def test_an_expert_joins_with_other_items() -> None:
    run = renewed(EXTENDED, experts=MORE_SKILLS)
    for entry, result in evaluated(run, 5):
        assert len(result.outcomes["sql"]) == (MORE - ITEMS if entry.revisit else MORE)
    assert "expert-regex" in {entry.candidate for entry, _ in evaluated(run, 5)}
    verify(run)


@pytest.mark.parametrize("items", [EXTENDED, REPLACED])
def test_what_nobody_is_trained_on_stays_so(items: dict[str, Any]) -> None:
    run = fresh(generations=4, **WITH_SHARES)
    before = run.latest().hold_out.positions("sql", ITEMS)
    do_everything(run)
    grow(run, manifest(generations=9, items=items, **WITH_SHARES))
    do_everything(run)
    verify(run)
    now = run.latest()
    kept = now.hold_out.positions("sql", now.items["sql"]["search"].count)
    if items is EXTENDED:
        assert {place for place in kept if place < ITEMS} == before
        assert any(place >= ITEMS for place in kept)
    found = Members(run)
    for record in run.committed_archive(9).archives.values():
        for member in record.members:
            outcomes = found.outcomes(member.candidate)
            assert outcomes is not None
            assert member.unseen == now.hold_out.scores(outcomes)


@pytest.mark.parametrize("items", [EXTENDED, REPLACED])
def test_races_and_attraction_go_on_with_other_items(items: dict[str, Any]) -> None:
    settings = {
        "race": {"share": "0.3"},
        "selection": {"partner": "Attraction"},
    }
    run = fresh(generations=6, pipelineDepth=2, candidatesPerGeneration=6, **settings)
    do_everything(run)
    asked = manifest(
        generations=12, pipelineDepth=2, candidatesPerGeneration=6, items=items, **settings
    )
    grow(run, asked)
    do_everything(run)
    verify(run)


@pytest.mark.parametrize("items", [EXTENDED, REPLACED])
@pytest.mark.parametrize("depth", [1, 3])
def test_a_restart_after_every_entry_gives_the_same_bytes(
    items: dict[str, Any], depth: int
) -> None:
    want = archives(renewed(items, depth).objects)
    run = fresh(generations=4, pipelineDepth=depth)
    do_everything(run)
    grow(run, manifest(generations=9, pipelineDepth=depth, items=items))
    for _ in range(200):
        run = RunStore(run.objects)
        if Coordinator(run).step().complete:
            break
        work = EntryQueue(run, 0, 1).next()
        assert work is not None
        settings = WorkerSettings(0, 1, scratch=None)  # type: ignore[arg-type]
        Worker(run, settings, SyntheticWorkbench(run)).do(work)
    assert archives(run.objects) == want


def test_other_held_out_items_are_used_by_later_tables_alone() -> None:
    run = renewed(TESTED)
    assert run.latest().joins == ()
    assert run.latest().from_generation == 5
    plain = fresh(generations=4, pipelineDepth=1)
    do_everything(plain)
    grow(plain, manifest(generations=9, pipelineDepth=1))
    do_everything(plain)
    final = keys.final(9)
    found, want = archives(run.objects), archives(plain.objects)
    assert {key for key in want if found[key] != want[key]} <= {final.commit_key}
    pairs = list(zip(run.evaluated(final), plain.evaluated(final), strict=True))
    for (entry, ours), (same, theirs) in pairs:
        assert entry == same
        assert {t: ours.outcomes[t] for t in SKILLS[1:]} == {
            t: theirs.outcomes[t] for t in SKILLS[1:]
        }
    assert any(ours.outcomes["sql"] != theirs.outcomes["sql"] for (_, ours), (_, theirs) in pairs)
    verify(run)


def test_what_comes_after_other_items_needs_them_in_the_store() -> None:
    run = renewed(EXTENDED)
    key = run.latest().items_key("sql", "search")
    assert key.startswith("tasks/sql/search-")
    assert run.objects.read(keys.items("sql", "search")) == b"{}\n"
    run.objects.delete(key)
    run.objects.create(key, b"others\n")
    with pytest.raises(VerificationError, match="tasks/sql/search-"):
        verify(run)


def test_earlier_versions_refuse_a_run_with_other_items() -> None:
    run = renewed(EXTENDED)
    document = json.loads(run.objects.read(keys.revision(1)))
    assert document["format"] == "cycleqd-revision/3"
    assert document["items"]["sql"]["search"]["extends"] == [ITEMS]
    assert list(document["items"]["sql"]) == ["search"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "follow none"),
        ({"extends": [ITEMS - 1]}, "follow none"),
        ({"count": ITEMS}, "follow none"),
        ({"digest": "../../run.json"}, "follow none"),
        ({"version": 0, "extends": []}, "format"),
    ],
)
def test_items_that_follow_none_are_refused(change: dict[str, Any], message: str) -> None:
    run = renewed(EXTENDED)
    key = keys.revision(1)
    document = json.loads(run.objects.read(key))
    document["items"]["sql"]["search"] |= change
    run.objects.delete(key)
    run.objects.create(key, json.dumps(document).encode())
    with pytest.raises(StoreCorrupt, match=message):
        RunStore(run.objects).latest()


@pytest.mark.parametrize(
    ("items", "asked", "message"),
    [
        (
            EXTENDED,
            {"generations": 5},
            r"spec.evolution.generations: what is new \(items.search of sql\) joins .* write 6 or",
        ),
        (
            TESTED,
            {"generations": 4},
            r"spec.evolution.generations: what is new \(items.test of sql\) is used .* write 5 or",
        ),
        (
            REPLACED,
            {"strategy": "NSGA2"},
            r"spec.evolution.strategy: NSGA2 cannot take in .*\(items.search of sql\)",
        ),
    ],
)
def test_items_that_cannot_join_are_refused(
    items: dict[str, Any], asked: dict[str, Any], message: str
) -> None:
    begun = {"generations": 4, **asked}
    store = MemoryStore()
    run = begin(store, manifest(**{**begun, "generations": 4}))
    do_everything(run)
    before = sorted(store.list(""))
    with pytest.raises(InputError, match=message):
        grow(run, manifest(items=items, **{"generations": 9, **asked}))
    assert sorted(store.list("")) == before
