"""Rays and a Latin hypercube come before the first children, each once and in any order."""

from __future__ import annotations

import numpy as np
import pytest

from cycleqd.evolution.genome import expert_genome
from cycleqd.evolution.search import ask, first_commit
from cycleqd.evolution.start import start_genome
from cycleqd.evolution.strategies import Proposal, make_strategy
from cycleqd.manifest.evolution import Crossover, Start
from tests.evolution.runs import LAYOUT, result, spec

BLOCK = Crossover(granularity="Block")
START = Start(rays=4, design=20, largest=1.2)


def genomes(start: Start = START, seed: int = 3) -> np.ndarray:
    """(rays + design, experts, tensors) float32."""
    count = start.rays + start.design
    found = [start_genome(LAYOUT, BLOCK, start, seed, n) for n in range(count)]
    assert start_genome(LAYOUT, BLOCK, start, seed, count) is None
    return np.array([genome.scale for genome in found if genome is not None])


def test_rays_run_up_to_the_largest_factor() -> None:
    rays = genomes()[: START.rays]
    assert np.ptp(rays, axis=(1, 2)).tolist() == [0, 0, 0, 0]
    assert rays[:, 0, 0] == pytest.approx([0.3, 0.6, 0.9, 1.2])


def test_a_single_ray_is_a_quarter() -> None:
    assert genomes(Start(rays=1, design=0))[0, 0, 0] == 0.25


def test_each_factor_meets_each_interval_once() -> None:
    design = genomes()[START.rays :]
    for expert in range(3):
        for tensor in range(len(LAYOUT.tensors)):
            intervals = np.floor(design[:, expert, tensor] / 1.2 * START.design).astype(int)
            assert sorted(intervals) == list(range(START.design))
    # Tensors of one block move together, those of others do not.
    assert np.array_equal(design[:, :, 0], design[:, :, 1])
    assert not np.array_equal(design[:, :, 0], design[:, :, 2])


def test_seeds_give_other_designs() -> None:
    assert np.array_equal(genomes(seed=1), genomes(seed=1))
    assert not np.array_equal(genomes(seed=1)[START.rays :], genomes(seed=2)[START.rays :])


def proposals(**evolution: object) -> list[Proposal]:
    document = spec(**evolution)
    experts = [result(n, f"expert-{e}", (0.2, 0.5, 0.4)) for n, e in enumerate(LAYOUT.experts)]
    commit = first_commit(document, experts)
    strategy = make_strategy(document, LAYOUT)
    return ask(
        strategy,
        commit.state,
        range(9),
        lambda candidate: expert_genome(LAYOUT, candidate.removeprefix("expert-")),
    )


def test_children_follow() -> None:
    start = {"rays": 2, "design": 4}
    found = proposals(start=start, crossover={"granularity": "Block"})
    assert [bool(p.parents) for p in found] == [False] * 6 + [True] * 3
    assert [p.focus for p in found[:6]] == [None] * 6
    # A child is the one that it would be without a start, were the archives the same.
    assert found[6:] != []
    for late, early in zip(
        found[6:], proposals(crossover={"granularity": "Block"})[6:], strict=True
    ):
        assert (late.focus, late.parents) == (early.focus, early.parents)
        assert late.genome.to_bytes() == early.genome.to_bytes()


def test_the_largest_rays_are_tuned_before_the_first_children() -> None:
    start, block = {"rays": 3, "design": 1}, {"granularity": "Block"}
    found = proposals(start=start, crossover=block, tune={"rays": 2, "share": "0"})
    assert [p.number for p in found if p.tuning is not None] == [4, 5]
    for proposal, ray in zip(found[4:6], (2, 1), strict=True):
        assert (proposal.focus, proposal.parents) == (None, (f"c{ray:06d}",))
        assert proposal.tuning is not None
        assert proposal.tuning.begin.to_bytes() == found[ray].genome.to_bytes()
        assert set(proposal.tuning.shares.values()) == {1.0}
        assert proposal.genome.adapters == (f"c{proposal.number:06d}",)
    assert all(p.parents for p in found[6:])


def test_no_more_rays_are_tuned_than_there_are() -> None:
    found = proposals(start={"rays": 2, "design": 0}, tune={"rays": 9, "share": "0"})
    assert [p.number for p in found if p.tuning is not None] == [2, 3]
    assert not any(p.tuning for p in proposals(tune={"rays": 9, "share": "0"}))
