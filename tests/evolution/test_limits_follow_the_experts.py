"""Limits are 85 % of the weakest and 115 % of the best expert; where they coincide, [0, 1]."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cycleqd.evolution.archive import axis_from_experts
from tests.strategies import scores


def limits(values, lower_margin=0.85, upper_margin=1.15):
    axis = axis_from_experts(
        "t", values, bins=15, lower_margin=lower_margin, upper_margin=upper_margin
    )
    assert (axis.task, axis.bins) == ("t", 15)
    return axis.lower, axis.upper


def test_the_paper_s_rule():
    assert limits([0.4, 0.2, 0.6]) == pytest.approx((0.17, 0.69))


def test_bins_are_even():
    axis = axis_from_experts("t", [0.2, 0.6], bins=15, lower_margin=0.85, upper_margin=1.15)
    widths = [b - a for a, b in zip(axis.edges, axis.edges[1:], strict=False)]
    assert widths == pytest.approx([0.52 / 15] * 15)


def test_no_score_exceeds_1_so_no_bin_lies_beyond():
    assert limits([0.5, 0.95]) == pytest.approx((0.425, 1.0))


def test_one_expert_suffices():
    assert limits([0.4]) == pytest.approx((0.34, 0.46))


@pytest.mark.parametrize(
    ("values", "margins"),
    [([0.0, 0.0], (0.85, 1.15)), ([0.5, 0.5], (1.0, 1.0)), ([1.0, 1.0], (1.0, 1.15))],
)
def test_limits_that_coincide_become_the_whole_range(values, margins):
    assert limits(values, *margins) == (0.0, 1.0)


@given(st.lists(scores, min_size=1, max_size=6))
def test_any_scores_give_an_axis_that_separates_the_experts_from_what_is_worse(values):
    lower, upper = limits(values)
    assert 0.0 <= lower < upper <= 1.0
    assert lower <= min(values)
    assert upper >= max(values)
