"""child = base + w1/(w1+w2) tau_1 + w2/(w1+w2) tau_2, held against dense float64 arithmetic."""

import numpy as np
import pytest

from cycleqd.evolution.crossover import SMALLEST_SUM, cross, first_parent_weights, units
from cycleqd.evolution.genome import Genome, expert_genome
from cycleqd.evolution.rng import stream
from cycleqd.manifest.evolution import Crossover
from tests.evolution.dense import World, largest_difference

WORLD = World.make(1)
LAYOUT = WORLD.layout


def some_genome(seed):
    random = np.random.default_rng(seed)
    scale = random.normal(size=(3, len(LAYOUT.tensors))).astype(np.float32)
    gain = random.normal(scale=0.2, size=(3, LAYOUT.directions)).astype(np.float32)
    return Genome(LAYOUT, scale, gain)


def dense_child(first, second, share):
    """The equation with one share of the first parent for each tensor."""
    return [
        base + a * (one - base) + (1 - a) * (two - base)
        for base, one, two, a in zip(
            WORLD.base, WORLD.weights(first), WORLD.weights(second), share, strict=True
        )
    ]


@pytest.mark.parametrize("granularity", ["Model", "Block", "Tensor"])
@pytest.mark.parametrize("number", range(5))
def test_child_equals_dense_arithmetic(granularity, number):
    crossover = Crossover(granularity=granularity, stddev=0.5)
    first, second = some_genome(number), some_genome(100 + number)
    child = cross(first, second, crossover, stream(0, number, "crossover"))
    share = first_parent_weights(LAYOUT, crossover, stream(0, number, "crossover"))
    expected = dense_child(first, second, share)
    assert largest_difference(WORLD.weights(child), expected) < 1e-5 * max(1, np.abs(share).max())


def test_the_weights_are_those_of_the_stream():
    w1, w2 = 1.0 + 0.5 * stream(4, 9, "crossover").normal(2)
    share = first_parent_weights(LAYOUT, Crossover(stddev=0.5), stream(4, 9, "crossover"))
    assert share.tolist() == [w1 / (w1 + w2)] * len(LAYOUT.tensors)


def test_two_experts_by_hand():
    child = cross(
        expert_genome(LAYOUT, "a"), expert_genome(LAYOUT, "c"), Crossover(stddev=0.0), stream(0, 0)
    )
    assert child.scale.tolist() == [[0.5] * 5, [0.0] * 5, [0.5] * 5]
    assert child.gain is None


def test_the_first_weight_is_the_first_parent_s():
    crossover = Crossover(stddev=0.5)
    share = first_parent_weights(LAYOUT, crossover, stream(0, 3, "crossover"))[0]
    assert abs(share - 0.5) > 0.01
    one, two = expert_genome(LAYOUT, "a"), expert_genome(LAYOUT, "b")
    child = cross(one, two, crossover, stream(0, 3, "crossover"))
    assert child.scale[:2, 0] == pytest.approx([share, 1 - share], rel=1e-6)
    swapped = cross(two, one, crossover, stream(0, 3, "crossover"))
    assert swapped.scale[:2, 0] == pytest.approx([1 - share, share], rel=1e-6)


def test_identical_parents_have_themselves_as_child():
    parent = some_genome(5)
    child = cross(parent, parent, Crossover(granularity="Tensor"), stream(0, 0))
    assert child.scale == pytest.approx(parent.scale, rel=1e-5, abs=1e-6)
    assert child.gain == pytest.approx(parent.gain, rel=1e-5, abs=1e-6)


def test_scales_of_a_child_of_experts_sum_to_1():
    for number in range(200):
        crossover = Crossover(granularity="Tensor", stddev=0.5)
        share = first_parent_weights(LAYOUT, crossover, stream(0, number))
        child = cross(
            expert_genome(LAYOUT, "a"), expert_genome(LAYOUT, "b"), crossover, stream(0, number)
        )
        bound = 2.0**-23 * np.abs(share).max()
        assert child.scale.sum(axis=0, dtype=np.float64) == pytest.approx(1.0, abs=2 * bound)


def test_grains():
    assert units(LAYOUT, Crossover(granularity="Model")) == [0, 0, 0, 0, 0]
    assert units(LAYOUT, Crossover(granularity="Block")) == [0, 0, 1, 1, 2]
    assert units(LAYOUT, Crossover(granularity="Tensor")) == [0, 1, 2, 3, 4]
    for granularity, distinct in (("Model", 1), ("Block", 3), ("Tensor", 5)):
        crossover = Crossover(granularity=granularity)
        share = first_parent_weights(LAYOUT, crossover, stream(0, 0))
        assert len(set(share)) == distinct
        assert len(set(zip(units(LAYOUT, crossover), share, strict=True))) == distinct


@pytest.mark.parametrize(
    ("bands", "expected"),
    [(1, [0] * 5), (2, [0, 0, 0, 0, 1]), (3, [0, 0, 1, 1, 2]), (None, [0, 0, 1, 1, 2])],
)
def test_bands_are_of_neighbouring_blocks(bands, expected):
    assert units(LAYOUT, Crossover(granularity="Band", bands=bands)) == expected


@pytest.mark.parametrize("mean", [0.001, 1.0, 5.0])
def test_sums_near_zero_are_drawn_again(mean):
    # Weights spread so far that about one pair in forty is refused.
    crossover = Crossover(mean=mean, stddev=mean * 1.5)
    refused = 0
    for number in range(1000):
        raw = mean + crossover.stddev * stream(2, number).normal(20).reshape(10, 2)
        kept = next(pair for pair in raw if abs(pair.sum()) >= SMALLEST_SUM * mean)
        refused += bool((kept != raw[0]).any())
        share = first_parent_weights(LAYOUT, crossover, stream(2, number))[0]
        assert share == kept[0] / (kept[0] + kept[1])
    assert refused > 5


def test_only_the_ratio_of_spread_to_mean_matters():
    for number in range(50):
        shares = [
            first_parent_weights(LAYOUT, Crossover(mean=m, stddev=m * 0.5), stream(0, number))[0]
            for m in (0.001, 1.0, 8.0)
        ]
        assert shares == pytest.approx([shares[0]] * 3, rel=1e-9)


def test_the_runner_s_spread_is_practically_the_average():
    shares = [
        first_parent_weights(LAYOUT, Crossover(stddev=0.01), stream(0, n))[0] for n in range(200)
    ]
    assert np.mean(shares) == pytest.approx(0.5, abs=0.002)
    assert np.std(shares) < 0.005
