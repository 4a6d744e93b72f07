"""The aggregate merges the best of each archive with weights softmax(quality / temperature)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cycleqd.evolution.aggregate import aggregate, elites_of, softmax_weights
from cycleqd.evolution.archive import Axis, Member, make_archives
from cycleqd.evolution.combination import as_parent
from cycleqd.evolution.genome import ChildSVD, Dense, Genome, Noise, expert_genome
from cycleqd.manifest.evolution import Aggregate
from tests.evolution.dense import World, largest_difference
from tests.strategies import scores

WORLD = World.make(3)
LAYOUT = WORLD.layout
ROWS = {
    "x": (0.9, 0.1, 0.2),
    "y": (0.3, 0.8, 0.25),
    "z": (0.2, 0.3, 0.7),
    "w": (0.6, 0.7, 0.5),
}


def archives():
    made = make_archives([Axis(name, 0.0, 1.0, 15) for name in "abc"])
    for archive in made.values():
        for candidate, row in ROWS.items():
            archive.offer(Member(candidate, dict(zip("abc", row, strict=True))))
    return made


def genome_of(candidate):
    random = np.random.default_rng(list(ROWS).index(candidate))
    scale = random.normal(size=(3, len(LAYOUT.tensors))).astype(np.float32)
    gain = random.normal(scale=0.1, size=(3, LAYOUT.directions)).astype(np.float32)
    return Genome(LAYOUT, scale, gain if candidate != "z" else None)


def test_one_elite_of_each_archive_the_paper_s_way():
    beta = np.exp([0.9, 0.8, 0.7]) / np.exp([0.9, 0.8, 0.7]).sum()
    merged = WORLD.weights(aggregate(archives(), Aggregate(), genome_of))
    expected = [
        base + sum(b * (w - base) for b, w in zip(beta, tensors, strict=True))
        for base, *tensors in zip(
            WORLD.base, *(WORLD.weights(genome_of(c)) for c in "xyz"), strict=True
        )
    ]
    assert largest_difference(merged, expected) < 1e-6


def test_top_per_archive_takes_the_best_of_each_in_order():
    chosen = elites_of(archives(), Aggregate(top_per_archive=2))
    assert chosen == [("x", 0.9), ("w", 0.6), ("y", 0.8), ("w", 0.7), ("z", 0.7), ("w", 0.5)]
    assert len(elites_of(archives(), Aggregate(top_per_archive=100))) == 12


def test_equal_qualities_are_ranked_by_mean_then_id():
    archive = make_archives([Axis(name, 0.0, 1.0, 15) for name in "ab"])["a"]
    for candidate, b in (("late", 0.3), ("early", 0.3), ("zenith", 0.9)):
        archive.cells[len(archive.cells),] = Member(candidate, {"a": 0.5, "b": b})
    assert [m.candidate for m in archive.ranked()] == ["zenith", "early", "late"]


def test_qualities_are_fractions_so_the_paper_s_weights_are_nearly_even():
    assert softmax_weights([0.764, 0.382, 0.426], 1.0) == pytest.approx(
        [0.4179, 0.2852, 0.2980], abs=1e-3
    )


def test_low_temperature_takes_the_best_alone():
    assert softmax_weights([0.5, 0.7, 0.6], 0.001) == [0.0, 1.0, 0.0]


@given(st.lists(scores, min_size=1, max_size=120), st.floats(0.001, 100.0))
def test_weights_are_shares_on_the_grid_that_sum_to_exactly_1(qualities, temperature):
    weights = np.array(softmax_weights(qualities, temperature))
    assert weights.sum() == 1.0
    assert (weights >= 0).all()
    assert np.array_equal(weights * 2**24, np.round(weights * 2**24))
    exponents = np.exp((np.array(qualities) - max(qualities)) / temperature)
    assert weights == pytest.approx(exponents / exponents.sum(), abs=len(qualities) * 2**-24)


def test_a_single_elite_is_the_aggregate():
    one = make_archives([Axis("a", 0.0, 1.0, 3)])
    one["a"].offer(Member("x", {"a": 0.4}))
    merged = aggregate(one, Aggregate(), genome_of)
    assert merged.to_bytes() == genome_of("x").to_bytes()


def test_members_outside_the_span_take_part_by_their_terms():
    kinds = {
        "x": Genome(LAYOUT, genome_of("x").scale, noise=(Noise(4, 0.01, 1.0),)),
        "y": as_parent("y", Genome(LAYOUT, genome_of("y").scale, child_svd=ChildSVD(5, 0.1, None))),
        "z": expert_genome(LAYOUT, "c"),
    }
    merged = aggregate(archives(), Aggregate(), kinds.__getitem__)
    beta = softmax_weights([0.9, 0.8, 0.7], 1.0)
    assert merged.noise == (Noise(4, 0.01, beta[0]),)
    assert merged.dense == (Dense("y", beta[1]),)
