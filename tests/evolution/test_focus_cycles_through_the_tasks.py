"""Candidate i works on the archive of tasks[(i // cycleInterval) % K], with that skill's expert."""

import numpy as np
import pytest

from cycleqd.evolution.archive import Member
from cycleqd.evolution.search import ask, first_commit
from cycleqd.evolution.strategies import SearchState, make_strategy
from tests.evolution.runs import LAYOUT, TASKS, commits, expert_results, genome_of, spec


def proposals(run, count, state=None):
    state = state or commits(3)[-1].state
    return ask(make_strategy(run, LAYOUT), state, range(count), genome_of)


@pytest.mark.parametrize("interval", [1, 2, 5])
def test_focus_changes_every_interval(interval):
    run = spec(cycleInterval=interval)
    expected = [TASKS[(n // interval) % 3] for n in range(20)]
    assert [p.focus for p in proposals(run, 20)] == expected


def test_the_directions_are_those_of_the_focus_task_s_expert():
    state = commits(0)[0].state  # only experts: no parent has gains
    assert state.focus_experts == {"sql": "a", "code": "b", "bash": "c"}
    for p in proposals(spec(), 9, state):
        moved = [e for e in range(3) if p.genome.gain[e].any()]
        assert moved == [TASKS.index(p.focus)]


def test_one_occupied_cell_meets_the_expert_of_the_skill():
    commit = commits(0)[0]
    archive = commit.state.archives["code"].copy()
    archive.cells.clear()
    archive.offer(Member("c000003", dict(zip(TASKS, (0.5, 0.9, 0.5), strict=True))))
    state = SearchState({**commit.state.archives, "code": archive}, commit.state.focus_experts)
    run = spec(crossover={"stddev": 0}, mutation={"method": "None"})
    child = proposals(run, 2, state)[1]
    assert (child.focus, child.parents) == ("code", ("c000003", "expert-b"))
    expected = (genome_of("c000003").scale + genome_of("expert-b").scale) / 2
    assert np.allclose(child.genome.scale, expected)


def named(task, **more):
    items = {"search": "s", "test": "t"}
    return {"name": task, "type": "exact", "items": items, **more}


def test_the_expert_of_a_skill_is_named_or_its_namesake_or_the_best():
    run = spec(tasks=(named("sql", expert="c"), named("code"), named("bash")))
    assert first_commit(run, expert_results()).state.focus_experts == {
        "sql": "c",
        "code": "b",
        "bash": "c",
    }


def test_of_equally_good_experts_the_first_is_taken():
    results = [r.model_copy(update={"scores": dict.fromkeys(TASKS, 0.5)}) for r in expert_results()]
    focus = first_commit(spec(), results).state.focus_experts
    assert focus == dict.fromkeys(TASKS, "a")
