"""A child made from its genome equals the step-by-step float64 arithmetic of its ancestors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cycleqd.evolution.combination import combine
from cycleqd.evolution.genome import expert_genome
from tests.weights.lineage import Family, add_gain, crossover, draw, mutate

pytestmark = pytest.mark.runtime


def _weights(grain: str, family: Family, random: np.random.Generator) -> np.ndarray:
    blocks = [slot.block for slot in family.layout.tensors]
    count = {"model": 1, "block": family.layout.blocks, "tensor": len(blocks)}[grain]
    drawn = random.normal(1.0, 0.5, (2, count))
    drawn = np.abs(drawn) + 0.05
    chosen = {"model": [0] * len(blocks), "block": blocks, "tensor": range(len(blocks))}[grain]
    return drawn[:, list(chosen)]


@pytest.mark.parametrize("grain", ["model", "block", "tensor"])
def test_many_generations(exact: Family, grain: str) -> None:
    random = np.random.default_rng(3)
    names = list(exact.experts)
    base = exact.model("base")
    models = [exact.model(name) for name in names]
    genomes = [expert_genome(exact.layout, name) for name in names]
    for _ in range(30):
        a, b = random.choice(len(models), 2, replace=False)
        weights = _weights(grain, exact, random)
        focus = int(random.integers(len(names)))
        draws = draw(exact.layout, random)
        model = crossover(base, [models[a], models[b]], weights)
        models.append(mutate(model, exact.factors[names[focus]], draws))
        share = weights / weights.sum(axis=0)
        child = combine([(genomes[a], share[0]), (genomes[b], share[1])])
        genomes.append(add_gain(child, focus, exact.layout, draws))

    made = exact.materializer().to_ram(genomes[-1])

    worst = 0.0
    for name, expected in models[-1].items():
        change = (expected - base[name]).norm()
        worst = max(worst, float((made[name].double() - expected).norm() / change))
    print(f"{grain}: largest relative error of a tensor's change after 30 generations: {worst:.1e}")
    assert worst < 2e-5


def test_an_expert_is_reproduced_bit_by_bit(small: Family, exact: Family) -> None:
    for family in (small, exact):
        for name, expert in family.experts.items():
            genome = expert_genome(family.layout, name)
            assert family.materializer().digest(genome) == expert.digest()


def test_truncated_rank_addresses_the_leading_directions(small: Family) -> None:
    cut = Family(small.folders, small.cache, rank=5)
    random = np.random.default_rng(0)
    draws = draw(cut.layout, random, top=1.0)
    genome = add_gain(expert_genome(cut.layout, "sql"), 1, cut.layout, draws)

    made = cut.materializer(dtype="float32").to_ram(genome)

    expected = mutate(cut.model("sql"), cut.factors["python"], draws)
    name = "model.layers.1.mlp.down_proj.weight"
    assert cut.factors["python"].ranks[name] == 5
    full = torch.linalg.svdvals(cut.model("python")[name] - cut.model("base")[name])
    left, _ = cut.factors["python"].get(name) or pytest.fail("no factors")
    torch.testing.assert_close(left.double().norm(dim=0), full[:5], rtol=1e-4, atol=0)
    for tensor, value in expected.items():
        torch.testing.assert_close(made[tensor].double(), value, rtol=0, atol=1e-6)
