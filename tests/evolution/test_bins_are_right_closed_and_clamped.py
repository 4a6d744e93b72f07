"""A bin holds its right edge and not its left one; scores outside fall into the outer bins."""

import numpy as np
import pytest
from hypothesis import given

from cycleqd.evolution.archive import Axis
from tests.strategies import axes, scores


def test_every_edge_belongs_to_the_bin_on_its_left():
    axis = Axis("t", 0.25, 0.75, 4)
    assert axis.edges == (0.25, 0.375, 0.5, 0.625, 0.75)
    assert [axis.bin_of(edge) for edge in axis.edges] == [0, 0, 1, 2, 3]
    assert [axis.bin_of(np.nextafter(edge, 1)) for edge in axis.edges] == [0, 1, 2, 3, 3]


@pytest.mark.parametrize(("score", "expected"), [(0.0, 0), (0.2, 0), (0.8, 3), (1.0, 3)])
def test_scores_outside_the_limits_are_clamped(score, expected):
    assert Axis("t", 0.25, 0.75, 4).bin_of(score) == expected


def test_one_bin_takes_everything():
    assert {Axis("t", 0.4, 0.6, 1).bin_of(s) for s in (0.0, 0.4, 0.5, 0.6, 1.0)} == {0}


def test_shares_of_items_meet_edges_of_tenths_exactly():
    axis = Axis("t", 0.0, 1.0, 10)
    assert [axis.bin_of(solved / 10) for solved in range(11)] == [0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]


@given(axes(1, max_bins=40), scores)
def test_the_bin_is_the_one_whose_edges_enclose_the_score(drawn, score):
    (axis,) = drawn
    bin_ = axis.bin_of(score)
    assert 0 <= bin_ < axis.bins
    assert score > axis.edges[bin_] or bin_ == 0
    assert score <= axis.edges[bin_ + 1] or bin_ == axis.bins - 1


@pytest.mark.parametrize(("lower", "upper", "bins"), [(0.5, 0.5, 3), (0.6, 0.5, 3), (0.0, 1.0, 0)])
def test_an_impossible_axis_is_refused_by_name(lower, upper, bins):
    with pytest.raises(ValueError, match="axis 'sql'"):
        Axis("sql", lower, upper, bins)
