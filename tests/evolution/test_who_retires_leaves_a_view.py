"""A task that retires leaves the archives that a run without it would have of the same members."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cycleqd.evolution.added import Added
from cycleqd.evolution.archive import Member, make_archives
from cycleqd.evolution.hold_out import NONE_HELD_OUT
from cycleqd.evolution.joining import join, joining
from cycleqd.evolution.search import Commit
from cycleqd.manifest.model import Spec
from tests.evolution.runs import LAYOUT, TASKS, commits, spec

RUN = spec(archive={"bins": 6})
KNOWN = {"expert-a": (0.8, 0.2, 0.1), "expert-b": (0.1, 0.7, 0.2), "expert-c": (0.2, 0.1, 0.6)}


def without(*, experts: tuple[str, ...] = (), tasks: tuple[str, ...] = ()) -> Spec:
    """The run, with some retired and then left out."""
    document = RUN.model_dump(by_alias=True, mode="json")
    for field, gone in (("experts", experts), ("tasks", tasks)):
        for element in document[field]:
            element["retired"] = element["name"] in gone
    return Spec.model_validate(document, strict=False).without_retired()


def scores_of(candidate: str) -> dict[str, float]:
    return dict(zip(TASKS, KNOWN[candidate], strict=True))


def gone_on(before: Commit, after: Spec) -> Commit:
    added = Added(NONE_HELD_OUT, experts={candidate: scores_of(candidate) for candidate in KNOWN})
    return join(before, RUN, after, [], limit=0, added=added)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 4), st.sampled_from(TASKS))
def test_of_the_members_that_are_there_nobody_better_is_lost(generations: int, gone: str) -> None:
    before = commits(generations, RUN)[-1]
    after = gone_on(before, without(tasks=(gone,)))
    axes = tuple(axis for axis in before.axes if axis.task != gone)
    assert after.axes == axes
    again = make_archives(axes)
    for archive in before.state.archives.values():
        for member in archive.cells.values():
            kept = {task: score for task, score in member.scores.items() if task != gone}
            for other in again.values():
                other.offer(Member(member.candidate, kept))
    for task, archive in again.items():
        found = after.state.archives[task]
        best = {cell: member.scores[task] for cell, member in archive.cells.items()}
        assert {cell: member.scores[task] for cell, member in found.cells.items()} == best


@pytest.mark.parametrize("gone", LAYOUT.experts)
def test_an_expert_s_archives_stay_and_its_tasks_go_to_the_next_best(gone: str) -> None:
    before = commits(2, RUN)[-1]
    after = gone_on(before, without(experts=(gone,)))
    assert after.axes == before.axes
    assert after.state.archives == before.state.archives
    assert after.evaluations == before.evaluations
    rest = [name for name in LAYOUT.experts if name != gone]
    for task, name in before.state.focus_experts.items():
        ranked = sorted(rest, key=lambda e: -scores_of(f"expert-{e}")[task])
        assert after.state.focus_experts[task] == (ranked[0] if name == gone else name)


def test_who_leaves_is_told_by_what_is_missing() -> None:
    change = joining(RUN, without(experts=("b",), tasks=("code",)))
    assert (change.retired_experts, change.retired) == (("b",), ("code",))
    assert change
    assert not joining(RUN, RUN)
