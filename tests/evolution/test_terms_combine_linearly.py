"""Noise and stored task vectors stay closed under combination; a child-SVD enters as its vector."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cycleqd.evolution.combination import as_parent, combine
from cycleqd.evolution.genome import ChildSVD, Dense, Genome, Noise, base_genome, expert_genome
from tests.evolution.dense import small_layout
from tests.strategies import genomes, layouts

LAYOUT = small_layout()
SCALE = np.ones((3, 5), np.float32)


def constant(weight):
    return np.full(5, weight)


def test_equal_terms_add_up_and_others_stand_side_by_side():
    one = Genome(LAYOUT, SCALE, noise=(Noise(7, 0.1, 1.0),), dense=(Dense("c1", 2.0),))
    two = Genome(
        LAYOUT, SCALE, noise=(Noise(3, 0.1, 4.0), Noise(7, 0.1, 8.0)), dense=(Dense("c0", 1.0),)
    )
    child = combine([(one, constant(0.25)), (two, constant(0.75))])
    assert child.noise == (Noise(3, 0.1, 3.0), Noise(7, 0.1, 6.25))
    assert child.dense == (Dense("c0", 0.75), Dense("c1", 0.5))


def test_noise_of_another_strength_is_another_term():
    one = Genome(LAYOUT, SCALE, noise=(Noise(7, 0.1, 1.0), Noise(7, 0.2, 1.0)))
    assert combine([(one, constant(0.5))]).noise == (Noise(7, 0.1, 0.5), Noise(7, 0.2, 0.5))


def test_a_child_svd_becomes_its_stored_task_vector():
    child = Genome(LAYOUT, SCALE, child_svd=ChildSVD(9, 0.1, None))
    parent = as_parent("c000009", child)
    assert not parent.scale.any()
    assert parent.dense == (Dense("c000009", 1.0),)
    assert parent.child_svd is None
    mixed = combine([(parent, constant(0.3)), (expert_genome(LAYOUT, "a"), constant(0.7))])
    assert mixed.dense == (Dense("c000009", 0.3),)
    with pytest.raises(ValueError, match="stored task vector"):
        combine([(child, constant(1.0))])


def test_all_others_are_parents_as_they_are():
    genome = Genome(LAYOUT, SCALE, noise=(Noise(1, 0.1, 1.0),))
    assert as_parent("c000001", genome) is genome


def test_terms_refuse_weights_that_differ_between_tensors():
    noisy = Genome(LAYOUT, SCALE, noise=(Noise(1, 0.1, 1.0),))
    with pytest.raises(ValueError, match="one weight for the whole model"):
        combine([(noisy, np.linspace(0, 1, 5))])


def test_no_parts_and_foreign_layouts_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        combine([])
    with pytest.raises(ValueError, match="different layouts"):
        combine([(base_genome(LAYOUT), constant(1)), (base_genome(small_layout(1)), constant(1))])


@given(st.data())
def test_combining_is_linear_in_every_coefficient(data):
    layout = data.draw(layouts())
    parts = []
    for genome in data.draw(st.lists(genomes(layout), min_size=1, max_size=4)):
        weight = data.draw(st.floats(-2.0, 2.0))
        parts.append((as_parent("c000123", genome), np.full(len(layout.tensors), weight)))
    child = combine(parts)
    scale = sum(g.scale.astype(float) * w for g, w in parts)
    assert child.scale == pytest.approx(scale, rel=1e-6, abs=1e-6)
    gains = [g.gain.astype(float) * w[0] for g, w in parts if g.gain is not None]
    assert (child.gain is None) == (not gains)
    if gains:
        assert child.gain == pytest.approx(sum(gains), rel=1e-6, abs=1e-6)
    for field, keys in (("noise", ("candidate", "stddev")), ("dense", ("candidate",))):
        expected = {}
        for genome, weight in parts:
            for term in getattr(genome, field):
                key = tuple(getattr(term, k) for k in keys)
                expected[key] = expected.get(key, 0.0) + weight[0] * term.coefficient
        terms = getattr(child, field)
        got = {tuple(getattr(t, k) for k in keys): t.coefficient for t in terms}
        assert got == pytest.approx(expected, abs=1e-12)
        assert list(got) == sorted(got)
        assert len(got) == len(terms)
