"""An expert retires from a run of any age: members stay, and children get no more of it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from cycleqd.errors import InputError, ManifestError, RunMismatch
from cycleqd.records import keys
from cycleqd.records.documents import EvaluateEntry
from cycleqd.report.from_store import report_data
from cycleqd.run.store import RunStore
from cycleqd.run.verification import Verifier
from tests.run.synthetic import SKILLS, archives, digest_of, do_everything, fresh, grow, manifest
from tests.run.test_experts_and_tasks_join_a_run import do_some

GONE = "python"
MORE = (*SKILLS, "regex")
RANDOM: dict[str, Any] = {"strategy": "RandomGenomes"}


def retired(depth: int = 1, *, begun: dict[str, Any] | None = None, **asked: Any) -> RunStore:
    """A run that ended after four generations and then went on without an expert."""
    run = fresh(generations=4, pipelineDepth=depth, **(begun or {}))
    do_everything(run)
    asked = {"generations": 9, "without": (GONE,), **(begun or {}), **asked}
    grow(run, manifest(pipelineDepth=depth, **asked))
    do_everything(run)
    return run


def verify(run: RunStore) -> None:
    again = RunStore(run.objects)
    Verifier(again, lambda candidate: digest_of(again, candidate)).verify()


def children(run: RunStore, generation: int) -> list[EvaluateEntry]:
    plan = run.plan(keys.generation(generation))
    assert plan is not None
    return [entry for entry in plan.entries if isinstance(entry, EvaluateEntry)]


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize(
    ("begun", "asked"),
    [
        ({}, {}),
        (RANDOM, {}),
        ({"start": {"rays": 4, "design": 20}}, {}),
        ({}, {"experts": MORE}),
        ({}, {"skills": MORE, "experts": MORE}),
        ({}, {"retired": (GONE,)}),
    ],
    ids=str,
)
def test_a_run_that_goes_on_without_an_expert_is_what_it_computes(
    depth: int, begun: dict[str, Any], asked: dict[str, Any]
) -> None:
    run = retired(depth, begun=begun, **asked)
    assert run.latest().joins == (5,)
    assert run.committed() == 9
    verify(run)


def test_members_and_archives_stay() -> None:
    run = retired()
    before, after = run.committed_archive(4), run.committed_archive(5)
    assert after.archives == before.archives
    assert after.axes == before.axes
    assert run.latest().layout.experts == SKILLS
    plain = fresh(generations=4, pipelineDepth=1)
    do_everything(plain)
    want, found = archives(plain.objects), archives(run.objects)
    assert {key: found[key] for key in want} == want


@pytest.mark.parametrize("begun", [RANDOM, {"start": {"rays": 4, "design": 20}}], ids=str)
def test_new_points_have_none_of_it(begun: dict[str, Any]) -> None:
    run = retired(begun=begun)
    row = SKILLS.index(GONE)
    for number, wanted in ((4, False), (6, True)):
        points = [run.genome(entry.candidate) for entry in children(run, number)]
        assert points
        assert all(bool((genome.scale[row] == 0).all()) is wanted for genome in points)


def test_children_get_no_more_of_it_than_their_parents_have() -> None:
    run = retired()
    row = SKILLS.index(GONE)
    for number in range(6, 10):
        for entry in children(run, number):
            child, parents = run.genome(entry.candidate), map(run.genome, entry.parents)
            assert child.gain is not None
            # Directions of others alone are drawn: what a child has of it is a mix of its parents'.
            rows = [g.gain[row] for g in parents if g.gain is not None]
            span = np.stack(rows) if rows else np.zeros((1, child.gain.shape[1]), np.float32)
            weights, *_ = np.linalg.lstsq(span.T, child.gain[row], rcond=None)
            assert np.allclose(weights @ span, child.gain[row], atol=1e-5)


def test_no_task_has_it_in_focus() -> None:
    run = retired()
    assert run.committed_archive(4).focus_experts[GONE] == GONE
    scores = {
        name: run.result(keys.generation(0), entry + 3).scores[GONE]
        for entry, name in enumerate(SKILLS)
        if name != GONE
    }
    focus = run.committed_archive(5).focus_experts
    assert focus[GONE] == max(scores, key=lambda name: scores[name])
    assert {focus[name] for name in ("sql", "shell")} == {"sql", "shell"}


def test_a_task_that_joins_later_does_not_ask_it() -> None:
    run = retired()
    grow(run, manifest(generations=12, pipelineDepth=1, without=(GONE,), skills=MORE, experts=MORE))
    do_everything(run)
    members = {m.candidate for a in run.committed_archive(9).archives.values() for m in a.members}
    again = {entry.candidate for entry in children(run, 10) if entry.revisit}
    experts = {keys.expert(name) for name in SKILLS if name != GONE}
    assert again == members | experts
    verify(run)


def test_the_final_table_is_without_it() -> None:
    run = retired()
    before, after = run.summary(4), run.summary(9)
    assert before is not None
    assert after is not None
    assert f"expert {GONE}" in {row.name for row in before.rows}
    assert f"expert {GONE}" not in {row.name for row in after.rows}
    merged = next(row.candidate for row in after.rows if row.kind == "uniform-merge")
    assert run.genome(merged).scale[:, 0].tolist() == [0.5, 0.0, 0.5]
    assert report_data(run).archives


def test_it_may_retire_while_the_run_goes_on() -> None:
    run = fresh(generations=9, pipelineDepth=2)
    do_some(run, 3)
    grow(run, manifest(generations=9, pipelineDepth=2, without=(GONE,)))
    do_everything(run)
    assert len(run.latest().joins) == 1
    verify(run)


def test_experts_follow_one_another() -> None:
    run = retired()
    grow(run, manifest(generations=12, pipelineDepth=1, without=(GONE,), experts=MORE))
    do_everything(run)
    grow(run, manifest(generations=15, pipelineDepth=1, without=(GONE, "sql"), experts=MORE))
    do_everything(run)
    assert set(run.committed_archive(15).focus_experts.values()) <= {"shell", "regex"}
    verify(run)


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        (
            {"generations": 5, "without": (GONE,)},
            InputError,
            r"^spec\.evolution\.generations: python would retire in generation 5",
        ),
        (
            {"experts": MORE, "without": ("regex",)},
            InputError,
            r"^spec\.experts\[3\]\.retired: regex has never been part of this run",
        ),
    ],
)
def test_what_cannot_retire_is_refused(
    asked: dict[str, Any], error: type[Exception], message: str
) -> None:
    run = fresh(generations=4, pipelineDepth=1)
    do_everything(run)
    before = sorted(run.objects.list(""))
    with pytest.raises(error, match=message):
        grow(run, manifest(**{"generations": 9, "pipelineDepth": 1, **asked}))
    assert sorted(run.objects.list("")) == before


def test_all_experts_cannot_retire() -> None:
    with pytest.raises(ManifestError, match=r"spec\.experts: all are retired; leave one"):
        manifest(without=SKILLS)


def test_what_is_retired_stays_so() -> None:
    run = retired()
    with pytest.raises(RunMismatch, match=r"^spec\.experts\[1\]\.retired: .* has true, the manif"):
        grow(run, manifest(generations=12, pipelineDepth=1))
    document = json.loads(run.objects.read(keys.revision(1)))
    assert set(document) == {"format", "manifest", "fromGeneration"}
