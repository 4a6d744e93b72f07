"""CMA-ES and NSGA-II find more than random draws with as many evaluations, and replay exactly."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from math import fsum

import numpy as np
import pytest
from benchmarks.landscape import Landscape, evolve, spec_of

from cycleqd.evolution.cma import SymmetricCMA, ask_generation, begin
from cycleqd.evolution.crossover import factors_at_grain
from cycleqd.evolution.nsga2 import cross, crowding, fronts, mutate, ranked, survivors
from cycleqd.evolution.rng import stream
from cycleqd.evolution.search import ask, numbers_of, read_generation
from cycleqd.evolution.strategies import Told, make_strategy
from cycleqd.records import keys
from tests.evolution.runs import LAYOUT, TASKS, commits, expert_results, genome_of, spec

GENERATIONS = 25
AIM = np.array([0.9, 0.4, 0.7])
RIVALS = ("CMAES", "NSGA2")


def convex(genome):
    """Three skills that agree on a best point, as far from 1/3 as real merges are."""
    factors = factors_at_grain(genome, spec().evolution.crossover)[:, 0]
    return [float(np.exp(-w * (factors - AIM) ** 2).prod()) for w in (1.0, 2.0, 4.0)]


@cache
def evolved(strategy, *, depth=1, seed=0, **settings):
    """What is told of a run on the convex function, and its genomes."""
    run = spec(strategy=strategy, pipelineDepth=depth, seed=seed, **settings)
    genomes = {r.candidate: genome_of(r.candidate) for r in expert_results()}
    told = [[Told(c, dict(zip(TASKS, convex(g), strict=True))) for c, g in genomes.items()]]
    state = commits(0)[0].state
    for generation in range(1, GENERATIONS + 1):
        read = [one for lot in told[: read_generation(generation, run) + 1] for one in lot]
        proposals = ask(
            make_strategy(run, LAYOUT),
            replace(state, told=lambda read=read: read),
            numbers_of(generation, run),
            genomes.__getitem__,
        )
        genomes |= {keys.child(p.number): p.genome for p in proposals}
        told.append(
            [
                Told(keys.child(p.number), dict(zip(TASKS, convex(p.genome), strict=True)))
                for p in proposals
            ]
        )
    return told, genomes


def best(told):
    return max(fsum(one.scores.values()) / 3 for lot in told for one in lot)


@pytest.mark.parametrize("strategy", RIVALS)
@pytest.mark.parametrize("depth", [1, 2])
def test_the_best_is_better_than_chance_on_a_convex_function(strategy, depth):
    for seed in range(3):
        found, chance = (
            evolved(strategy, depth=depth, seed=seed),
            evolved("RandomGenomes", seed=seed),
        )
        assert len(found[1]) == len(chance[1])
        assert 1 - best(found[0]) < 0.5 * (1 - best(chance[0]))


@pytest.mark.parametrize("strategy", RIVALS)
def test_the_best_mean_is_better_than_chance_on_a_landscape_of_merges(strategy):
    def last(seed, strategy):
        landscape = Landscape.make(seed)
        run = spec_of(
            landscape, seed=seed, strategy=strategy, generations=25,
            crossover={"granularity": "Block"},
        )  # fmt: skip
        members = [
            member
            for archive in evolve(landscape, run)[-1].state.archives.values()
            for member in archive.cells.values()
        ]
        return max(fsum(member.scores.values()) for member in members)

    seeds = range(3)
    assert sum(last(s, strategy) for s in seeds) > sum(last(s, "RandomGenomes") for s in seeds)


@pytest.mark.parametrize("strategy", RIVALS)
def test_a_replay_looks_at_nothing_that_a_plan_could_not_know(strategy):
    told, genomes = evolved(strategy, depth=2)
    run = spec(strategy=strategy, pipelineDepth=2)
    state = commits(0)[0].state
    for generation in (1, 2, 3, 9):
        numbers = numbers_of(generation, run)
        known = [one for lot in told[: read_generation(generation, run) + 1] for one in lot]
        again = ask(
            make_strategy(run, LAYOUT),
            replace(state, told=lambda known=known: known),
            reversed(numbers),
            genomes.__getitem__,
        )
        assert {keys.child(p.number): p.genome.to_bytes() for p in again} == {
            keys.child(n): genomes[keys.child(n)].to_bytes() for n in numbers
        }
    # CMA-ES needs no care of its caller: what is told too early changes nothing.
    if strategy == "CMAES":
        everything = [one for lot in told for one in lot]
        (early,) = ask(
            make_strategy(run, LAYOUT), replace(state, told=lambda: everything), [17], genome_of
        )
        assert early.genome.to_bytes() == genomes["c000017"].to_bytes()


def test_failed_candidates_are_the_worst():
    run = spec(strategy="CMAES", pipelineDepth=1)
    lot = [Told(keys.child(n), dict.fromkeys(TASKS, 0.1 * n)) for n in range(8)]
    failed = [Told("c000000", {}), *lot[1:]]
    asked = []
    for told in (lot, failed):
        state = replace(commits(0)[0].state, told=lambda told=told: told)
        asked.append(ask(make_strategy(run, LAYOUT), state, [8], genome_of)[0].genome.to_bytes())
    assert asked[0] == asked[1]


@pytest.mark.parametrize("granularity", ["Model", "Tensor"])
@pytest.mark.parametrize("covariance", ["Full", "Diagonal"])
def test_cma_es_begins_where_it_is_told_to(granularity, covariance):
    run = spec(
        strategy="CMAES",
        candidatesPerGeneration=400,
        crossover={"granularity": granularity},
        cmaes={"mean": 0.5, "sigma": 0.25, "covariance": covariance},
    )
    proposals = ask(make_strategy(run, LAYOUT), commits(0)[0].state, range(400), genome_of)
    scales = np.array([p.genome.scale for p in proposals])
    assert len(set(scales[0, 0].tolist())) == {"Model": 1, "Tensor": 5}[granularity]
    assert scales.mean() == pytest.approx(0.5, abs=0.05)
    assert scales[:, :, 0].std() == pytest.approx(0.25, rel=0.15)


@pytest.mark.parametrize("size", [1, 3, 4])
def test_small_generations_are_told_together(size):
    run = spec(candidatesPerGeneration=size, pipelineDepth=1)
    assert begin(run, 3, 0.3, 0.2, "Full").population_size in (4, 6)
    values = [float(n % 5) for n in range(40)]
    points = [ask_generation(begin(run, 3, 0.3, 0.2, "Full"), run, values, g) for g in range(1, 9)]
    assert all(len(lot) == size for lot in points)
    assert len({p.tobytes() for lot in points for p in lot}) == 8 * size


def test_a_single_factor_has_a_distribution_too():
    run = spec(pipelineDepth=1)
    for covariance in ("Full", "Diagonal"):
        optimizer = begin(run, 1, 0.3, 0.2, covariance)
        assert len(ask_generation(optimizer, run, [0.1] * 8, 2)) == 8


def test_samples_do_not_depend_on_the_basis_of_the_eigenvectors():
    """The library still samples where it is overridden: a turned basis changes nothing."""
    covariance = np.diag([1.0, 1.0, 4.0])
    turn = np.array([[0.6, -0.8, 0], [0.8, 0.6, 0], [0, 0, 1]])
    one, other = (
        SymmetricCMA(mean=np.zeros(3), sigma=0.5, seed=3, cov=covariance.copy()) for _ in range(2)
    )
    basis, deviations = one._eigen_decomposition()
    other._B, other._D = basis @ turn, deviations
    assert one.ask() == pytest.approx(other.ask(), abs=1e-12)
    points = np.array([one.ask() for _ in range(4000)])
    assert np.cov(points.T) == pytest.approx(0.25 * covariance, abs=0.06)


def test_fronts_and_crowding_are_those_of_a_known_set():
    scores = np.array([[1, 5], [2, 4], [4, 2], [5, 1], [1, 4], [2, 2], [0, 0]], float)
    assert fronts(scores).tolist() == [0, 0, 0, 0, 1, 1, 2]
    assert crowding(scores[:4]).tolist() == [np.inf, 0.75 + 0.75, 0.75 + 0.75, np.inf]
    assert ranked(scores) == [0, 3, 1, 2, 4, 5, 6]
    # Lot by lot: what was dropped once does not come back.
    told = scores.tolist()
    assert survivors(told, first=2, lot=2, population=3) == [0, 3, 1]
    assert survivors(told[:2], first=2, lot=2, population=3) == [0, 1]


def test_operators_keep_bounds_and_have_the_spread_of_the_paper():
    first, second = np.full(4000, 0.2), np.full(4000, 0.8)
    draws = [stream(seed, 0, "test") for seed in range(8)]
    child = next(c for c in (cross(first, second, 1.0, d) for d in draws) if len(set(c)) > 2)
    assert child.min() >= 0
    assert child.max() <= 1
    moved = child[(child != 0.2) & (child != 0.8)]
    assert len(moved) == pytest.approx(2000, abs=150)
    assert moved.mean() == pytest.approx(0.5, abs=0.03)
    near = np.minimum(abs(moved - 0.2), abs(moved - 0.8))
    # For an index of 20 half of the spread factors lie within 2^(1/21) of 1.
    assert np.median(near) == pytest.approx(0.3 * (1 - 0.5 ** (1 / 21)), rel=0.15)
    changed = mutate(np.full(4000, 0.5), 2.0, stream(1, 0, "test"))
    assert 0 < (changed != 0.5).sum() < 10
    assert changed.min() >= 0
    edge = np.array([0.0, 2.0])
    values = np.array([mutate(edge, 2.0, stream(n, 0, "test")) for n in range(500)])
    assert values.min() >= 0
    assert values.max() <= 2
    assert (values[:, 0] > 0).any()
    assert (values[:, 1] < 2).any()
