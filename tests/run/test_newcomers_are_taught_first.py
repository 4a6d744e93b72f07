"""With ``tune.newcomers`` what adds a new expert to members is tuned before all other children."""

from __future__ import annotations

import pytest

from cycleqd.records import keys
from cycleqd.records.documents import EvaluateEntry
from cycleqd.run.store import RunStore
from cycleqd.run.verification import Verifier
from tests.run.synthetic import SKILLS, digest_of, do_everything, fresh, grow, manifest

MORE = (*SKILLS, "regex")
JOINS = 5
CHILDREN = 4


def grown(newcomers: int, depth: int = 1, **asked: object) -> RunStore:
    """A run of four generations that then went on with an expert and a task more."""
    tune = {"tune": {"share": "0", "newcomers": newcomers}}
    run = fresh(generations=4, pipelineDepth=depth, candidatesPerGeneration=CHILDREN, **tune)
    do_everything(run)
    longer = {"generations": 9, "skills": MORE, "experts": MORE, **asked, **tune}
    grow(run, manifest(pipelineDepth=depth, candidatesPerGeneration=CHILDREN, **longer))  # type: ignore[arg-type]
    do_everything(run)
    return run


def children(run: RunStore, generation: int) -> list[EvaluateEntry]:
    plan = run.plan(keys.generation(generation))
    assert plan is not None
    return [entry for entry in plan.entries if isinstance(entry, EvaluateEntry)]


def introduced(run: RunStore) -> list[str]:
    """The introduced members that are elites of the generation that they were introduced in."""
    archives = run.committed_archive(JOINS).archives.values()
    found = {member.candidate for archive in archives for member in archive.members}
    return sorted(name for name in found if keys.joined_in(name) == JOINS)


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("newcomers", [1, 3, 100])
def test_introduced_members_are_tuned_on_all_tasks_alike(newcomers: int, depth: int) -> None:
    run = grown(newcomers, depth)
    parents = introduced(run)
    assert len(parents) > 1
    count = min(newcomers, len(parents), CHILDREN)
    after = children(run, JOINS + 1)
    assert [entry.tune is not None for entry in after] == [n < count for n in range(CHILDREN)]
    taught = [entry for entry in after if entry.tune is not None]
    assert {parent for entry in taught for parent in entry.parents} <= {*parents}
    assert len({entry.parents for entry in taught}) == count
    for entry in taught:
        assert entry.focus is None
        assert entry.tune is not None
        assert entry.tune.shares == dict.fromkeys(MORE, 1.0)
        assert entry.tune.answers == JOINS
    others = [n for n in range(1, 10) if n != JOINS + 1]
    assert not any(entry.tune for number in others for entry in children(run, number))
    again = RunStore(run.objects)
    Verifier(again, lambda candidate: digest_of(again, candidate)).verify()


def test_where_nobody_joins_with_an_expert_nobody_is_taught() -> None:
    run = grown(3, experts=SKILLS)
    assert not any(entry.tune for number in range(1, 10) for entry in children(run, number))


def test_without_it_a_run_is_as_before() -> None:
    run = grown(0)
    assert not any(entry.tune for number in range(1, 10) for entry in children(run, number))
    assert b"newcomers" not in run.objects.read(keys.RUN)
