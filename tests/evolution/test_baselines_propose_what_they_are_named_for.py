"""UniformMerge is one candidate, TaskArithmetic a nested grid, RandomGenomes U[0, 1]."""

import numpy as np
import pytest

from cycleqd.evolution.search import ask
from cycleqd.evolution.strategies import make_strategy
from cycleqd.evolution.strategies.random_genomes import RandomGenomesSettings
from cycleqd.evolution.strategies.task_arithmetic import LARGEST_FACTOR, van_der_corput
from tests.evolution.runs import LAYOUT, commits, genome_of, spec

STATE = commits(0)[0].state


def proposals(numbers, **evolution):
    return ask(make_strategy(spec(**evolution), LAYOUT), STATE, numbers, genome_of)


def test_uniform_merge_is_the_mean_of_the_experts_once():
    (only,) = proposals(range(20), strategy="UniformMerge")
    assert only.number == 0
    assert np.array_equal(only.genome.scale, np.full((3, 5), 1 / 3, np.float32))
    assert only.genome.gain is None
    assert only.genome.linear
    assert proposals(range(1, 9), strategy="UniformMerge") == []


def test_the_grid_begins_with_halves_quarters_eighths():
    points = [van_der_corput(n) for n in range(7)]
    assert points == [0.5, 0.25, 0.75, 0.125, 0.625, 0.375, 0.875]


@pytest.mark.parametrize("count", [1, 3, 7, 15, 63])
def test_the_grid_is_nested_and_even(count):
    points = sorted(van_der_corput(n) for n in range(count))
    assert points == pytest.approx([(n + 1) / (count + 1) for n in range(count)])


def test_task_arithmetic_scales_all_experts_alike():
    for p in proposals(range(16), strategy="TaskArithmetic"):
        factor = np.float32(LARGEST_FACTOR * van_der_corput(p.number))
        assert np.array_equal(p.genome.scale, np.full((3, 5), factor))
        assert (p.focus, p.parents) == (None, ())


def test_random_genomes_are_as_large_as_they_are_told_to_be():
    draws = {}
    for settings in ({}, {"largest": 1.0}, {"largest": 2.5}):
        given = {"randomGenomes": settings} if settings else {}
        run = proposals(range(9), strategy="RandomGenomes", **given)
        draws[settings.get("largest", 0.0)] = np.array([p.genome.scale for p in run])
    assert np.array_equal(draws[0.0], draws[1.0])
    assert draws[2.5] == pytest.approx(2.5 * draws[1.0])


def test_runs_of_random_genomes_from_before_it_had_settings_keep_their_manifest():
    before = spec(strategy="RandomGenomes")
    assert "randomGenomes" not in before.evolution.model_dump(by_alias=True, exclude_none=True)
    assert before.evolution.settings == RandomGenomesSettings()


@pytest.mark.parametrize(("granularity", "distinct"), [("Model", 1), ("Block", 3), ("Tensor", 5)])
def test_random_genomes_are_uniform_at_their_grain(granularity, distinct):
    crossover = {"granularity": granularity}
    scales = np.array(
        [
            p.genome.scale
            for p in proposals(range(400), strategy="RandomGenomes", crossover=crossover)
        ]
    )
    assert {len(set(row.tolist())) for row in scales[:, 0]} == {distinct}
    assert scales.min() >= 0
    assert scales.max() < 1
    assert scales[:, :, 0].mean() == pytest.approx(0.5, abs=4.5 / np.sqrt(12 * 1200))
    assert np.corrcoef(scales[:, :, 0].T)[np.triu_indices(3, 1)] == pytest.approx(0, abs=0.2)
