"""On a landscape that behaves like merging experts, CycleQD fills its archives better than chance.

All with the same number of evaluations and fixed seeds; ``benchmarks/search.py`` has more of both.
"""

import pytest
from benchmarks.landscape import Landscape, evolve, qd_score, spec_of

from cycleqd.evolution.final import balanced_member
from cycleqd.evolution.genome import base_genome, expert_genome, scaled_experts_genome
from cycleqd.evolution.metrics import geometric_mean

SEEDS = (0, 1, 2)
BUDGET = {"generations": 25, "candidatesPerGeneration": 8}
BLOCKS = {"granularity": "Block"}


@pytest.fixture(scope="module")
def runs():
    made = {}
    for seed in SEEDS:
        landscape = Landscape.make(seed)
        for strategy in ("CycleQD", "RandomGenomes"):
            spec = spec_of(landscape, seed=seed, strategy=strategy, crossover=BLOCKS, **BUDGET)
            made[strategy, seed] = evolve(landscape, spec)
    return made


def shares(landscape, genome):
    return [marks.count("1") / len(marks) for marks in landscape.outcomes(genome).values()]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_landscape_has_the_shape_of_real_merges(seed):
    landscape = Landscape.make(seed)
    layout = landscape.layout
    uniform = shares(landscape, scaled_experts_genome(layout, [1 / 3] * 3))
    assert max(shares(landscape, base_genome(layout))) < 0.1
    for number, name in enumerate(layout.experts):
        own = shares(landscape, expert_genome(layout, name))
        assert own[number] > 0.9
        assert max(own[:number] + own[number + 1 :], default=0) < 0.1
        assert uniform[number] < own[number] - 0.3


@pytest.mark.parametrize("seed", SEEDS)
def test_qd_score_coverage_and_hypervolume_exceed_random_search(runs, seed):
    ours, chance = runs["CycleQD", seed][-1], runs["RandomGenomes", seed][-1]
    assert ours.evaluations == chance.evaluations == 203
    assert qd_score(ours) > 1.4 * qd_score(chance)
    assert ours.document().hypervolume > 1.2 * chance.document().hypervolume
    for task, archive in ours.state.archives.items():
        assert archive.coverage > chance.state.archives[task].coverage


@pytest.mark.parametrize("seed", SEEDS)
def test_the_balanced_member_exceeds_the_uniform_merge(runs, seed):
    landscape = Landscape.make(seed)
    uniform = scaled_experts_genome(landscape.layout, [1 / 3] * 3)
    best = balanced_member(runs["CycleQD", seed][-1])
    assert geometric_mean(best.scores.values()) > geometric_mean(shares(landscape, uniform))


@pytest.mark.parametrize("seed", SEEDS)
def test_qd_score_rises_all_along(runs, seed):
    scores = [qd_score(commit) for commit in runs["CycleQD", seed]]
    assert scores == sorted(scores)
    assert scores[0] < scores[5] < scores[15] < scores[-1]


def test_the_whole_run_is_a_function_of_its_spec(runs):
    landscape = Landscape.make(0)
    spec = spec_of(landscape, seed=0, strategy="CycleQD", crossover=BLOCKS, **BUDGET)
    again = evolve(landscape, spec)[-1]
    assert again.document().to_bytes() == runs["CycleQD", 0][-1].document().to_bytes()
