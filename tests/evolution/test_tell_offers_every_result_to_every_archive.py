"""A commit holds the best of all results, whatever order they came in; failures count."""

import random

import pytest

from cycleqd.errors import CandidateError, RunFailed
from cycleqd.evolution.archive import Member, make_archives
from cycleqd.evolution.search import expert_order, first_commit, tell
from tests.evolution.runs import TASKS, child_results, commits, expert_results, result, spec


def members(results):
    return [Member(r.candidate, r.scores) for r in results if r.failure is None]


def test_archives_are_those_of_all_results_offered_one_by_one():
    history = commits(5)
    offered = members(expert_results())
    for generation in range(1, 6):
        offered += members(child_results(generation))
    expected = make_archives(history[0].axes)
    for archive in expected.values():
        for member in offered:
            archive.offer(member)
    assert dict(history[-1].state.archives) == expected
    assert list(history[-1].state.archives) == list(TASKS)


def test_counters():
    assert [(c.generation, c.evaluations, c.candidates) for c in commits(2)] == [
        (0, 3, 0),
        (1, 11, 8),
        (2, 19, 16),
    ]


def test_the_plan_s_order_decides_between_equals_however_results_come():
    same = [result(n, f"c00000{n}", (0.5, 0.5, 0.5)) for n in range(6)]
    shuffled = same[:]
    random.Random(1).shuffle(shuffled)
    first, second = (tell(commits(0)[0], results, 10) for results in (same, shuffled))
    assert first.document().to_bytes() == second.document().to_bytes()
    ids = {m.candidate for a in first.state.archives.values() for m in a.cells.values()}
    assert "c000000" in ids
    assert "c000001" not in ids


def test_the_generation_before_is_left_as_it_was():
    history = commits(2)
    before = [c.document().to_bytes() for c in history]
    tell(history[-1], child_results(3), 10)
    assert [c.document().to_bytes() for c in history] == before


def test_quality_never_falls():
    for earlier, later in zip(commits(8), commits(8)[1:], strict=False):
        for task in TASKS:
            one, two = earlier.state.archives[task], later.state.archives[task]
            assert two.best >= one.best
            assert two.coverage >= one.coverage
            assert two.qd_score >= one.qd_score
            assert set(one.cells) <= set(two.cells)


def test_failed_candidates_are_recorded_in_order_and_offered_nowhere():
    results = [
        result(0, "c000000", (), failure="first"),
        result(1, "c000001", (0.9, 0.9, 0.9)),
        result(2, "c000002", (), failure="second"),
    ]
    commit = tell(commits(0)[0], results[::-1], limit=2)
    assert [(f.candidate, f.cause, f.message) for f in commit.failed] == [
        ("c000000", "Broken", "first"),
        ("c000002", "Broken", "second"),
    ]
    assert commit.evaluations == 6
    ids = {m.candidate for a in commit.state.archives.values() for m in a.cells.values()}
    assert ids == {*expert_order(spec()), "c000001"}


def test_more_failures_than_the_limit_end_the_run_with_the_remedy():
    commit = tell(commits(0)[0], [result(0, "c000000", (), failure="one")], limit=1)
    with pytest.raises(RunFailed, match=r"maxFailedCandidates: 1.*c000008: Broken: two") as caught:
        tell(commit, [result(0, "c000008", (), failure="two")], limit=1)
    assert not isinstance(caught.value, CandidateError)
    with pytest.raises(RunFailed):
        tell(commits(0)[0], [result(0, "c000000", (), failure="one")], limit=0)


def test_a_failed_expert_ends_the_run():
    results = expert_results()
    results[1] = result(1, "expert-b", (), failure="tokenizer differs")
    with pytest.raises(RunFailed, match=r"expert-b.*tokenizer differs"):
        first_commit(spec(), results)


def test_axes_follow_the_experts_or_the_manifest():
    axes = {axis.task: axis for axis in commits(0)[0].axes}
    assert (axes["sql"].lower, axes["sql"].upper) == pytest.approx((0.085, 0.92))
    assert (axes["code"].lower, axes["code"].upper) == pytest.approx((0.085, 0.805))
    assert {axis.bins for axis in axes.values()} == {15}
    items = {"search": "s", "test": "t"}
    tasks = tuple(
        {"name": t, "type": "exact", "items": items, "bounds": {"min": 0.25, "max": 0.75}}
        for t in TASKS
    )
    fixed = first_commit(spec(tasks=tasks, archive={"bins": 4}), expert_results())
    assert {(a.lower, a.upper, a.bins) for a in fixed.axes} == {(0.25, 0.75, 4)}
    assert fixed.state.archives["sql"].cell_of(dict(zip(TASKS, (1, 0.5, 0.51), strict=True))) == (
        1,
        2,
    )
