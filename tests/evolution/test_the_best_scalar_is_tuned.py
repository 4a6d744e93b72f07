"""TunedScalar tries a grid of scalars, then trains the best that it knows of, again and again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cycleqd.evolution.combination import tuned_genome
from cycleqd.evolution.genome import base_genome, scaled_experts_genome
from cycleqd.evolution.search import ask
from cycleqd.evolution.strategies import Proposal, Told, make_strategy
from cycleqd.evolution.strategies.task_arithmetic import LARGEST_FACTOR, van_der_corput
from cycleqd.records import keys
from tests.evolution.runs import LAYOUT, TASKS, commits, genome_of, spec

STATE = commits(0)[0].state
POINTS = [LARGEST_FACTOR * van_der_corput(number) for number in range(8)]


def proposals(numbers, told=(), *, tasks=None, **settings):
    run = spec(strategy="TunedScalar", tune={}, tunedScalar=settings, tasks=tasks)
    state = replace(STATE, told=lambda: told)
    return ask(make_strategy(run, LAYOUT), state, numbers, genome_of)


def scalar(factor):
    return scaled_experts_genome(LAYOUT, [factor] * len(LAYOUT.experts))


def told(*rows):
    return [Told(keys.child(n), dict(zip(TASKS, row, strict=False))) for n, row in enumerate(rows)]


def begin_of(proposal):
    assert proposal.tuning is not None
    return proposal.tuning.begin.to_bytes()


@pytest.mark.parametrize("grid", [1, 6])
def test_the_grid_is_that_of_task_arithmetic(grid):
    arithmetic = ask(
        make_strategy(spec(strategy="TaskArithmetic"), LAYOUT), STATE, range(grid), genome_of
    )
    for mine, other in zip(proposals(range(grid), grid=grid), arithmetic, strict=True):
        assert mine == Proposal(other.number, mine.genome)
        assert mine.genome.to_bytes() == other.genome.to_bytes()
    assert all(one.tuning for one in proposals(range(grid, grid + 9), grid=grid))


def test_tunes_differ_in_their_adapter_alone():
    known = told((0.1, 0.1, 0.1), (0.5, 0.5, 0.5))
    for number, one in zip((6, 7, 60), proposals((6, 7, 60), known), strict=True):
        begin = scalar(POINTS[1])
        assert begin_of(one) == begin.to_bytes()
        assert one.genome.to_bytes() == tuned_genome(begin, keys.child(number)).to_bytes()
        assert (one.focus, one.parents) == (None, ("c000001",))
        assert one.tuning.shares == dict.fromkeys(TASKS, 1.0)


@pytest.mark.parametrize(
    ("rows", "best"),
    [
        ([(0.2, 0.2, 0.2), (0.9, 0.9, 0.0), (0.3, 0.3, 0.3)], 2),  # no skill may be lost
        ([(0.1, 0.1, 0.0), (0.9, 0.2, 0.0), (0.3, 0.3, 0.0)], 1),  # equal: the higher mean
        ([(0.2, 0.1, 0.3), (0.3, 0.2, 0.1), (0.1, 0.3, 0.2)], 0),  # equal again: the first
        ([(), (0.1, 0.1, 0.1), ()], 1),  # two could not be evaluated
        ([(), (), ()], 0),
        ([], 0),  # planned before any was evaluated
    ],
)
def test_the_best_is_the_most_balanced_that_the_plan_knows(rows, best):
    experts = [Told(keys.expert(name), dict.fromkeys(TASKS, 0.99)) for name in LAYOUT.experts]
    known = told(*rows)
    tunes = [Told(keys.child(n), dict.fromkeys(TASKS, 0.98)) for n in (6, 7)]
    (one,) = proposals([8], [*experts, *known, *tunes])
    assert begin_of(one) == scalar(POINTS[best]).to_bytes()
    # The order in which results are told decides nothing.
    (again,) = proposals([8], [*tunes, *reversed(known), *experts])
    assert begin_of(again) == begin_of(one)
    assert again.parents == one.parents == ((keys.child(best),) if any(rows) else ())


@pytest.mark.parametrize("factor", [0.0, 0.5])
def test_a_factor_takes_the_place_of_the_grid(factor):
    def never():
        raise AssertionError("nothing is asked")

    run = spec(strategy="TunedScalar", tune={}, tunedScalar={"factor": factor})
    for one in ask(make_strategy(run, LAYOUT), replace(STATE, told=never), range(9), genome_of):
        assert begin_of(one) == scalar(factor).to_bytes()
        assert one.parents == ()
        assert np.array_equal(one.genome.scale, np.full_like(one.genome.scale, factor))
    assert scalar(0.0).to_bytes() == base_genome(LAYOUT).to_bytes()


def test_a_task_that_is_not_trained_gives_no_answers():
    items = {"search": "s.jsonl", "test": "t.jsonl"}
    tasks = tuple(
        {"name": name, "type": "exact", "items": items, "train": name != "code"} for name in TASKS
    )
    (one,) = proposals([6], tasks=tasks)
    assert one.tuning.shares == {"sql": 1.0, "code": 0.0, "bash": 1.0}
