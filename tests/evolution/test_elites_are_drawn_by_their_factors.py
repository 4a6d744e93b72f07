"""Probabilities are the product of one factor per dimension: 4.1 : 1 (paper), 17.6 : 1 (runner)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cycleqd.evolution.archive import Axis, Member, make_archives
from cycleqd.evolution.selection import probabilities
from cycleqd.manifest.evolution import Selection
from tests.strategies import axes, members

AXES = tuple(Axis(name, 0.0, 1.0, 15) for name in "abc")


def archive_of(*rows):
    archive = make_archives(AXES)["a"]
    for number, row in enumerate(rows):
        assert archive.offer(Member(str(number), dict(zip("abc", row, strict=True))))
    return archive


def ratio_of_last_to_first(method, *rows):
    # Cells are listed in the order of b, then c.
    shares = probabilities(archive_of(*rows), Selection(method=method))
    return shares[-1] / shares[0]


@pytest.mark.parametrize(
    ("method", "ratio"),
    [("Elite", (0.8 / 0.5) ** 3), ("ReferenceElite", (1.3 / 0.5) ** 3), ("Uniform", 1.0)],
)
def test_best_to_worst_at_three_tasks(method, ratio):
    assert ratio_of_last_to_first(method, (0.1, 0.1, 0.1), (0.9, 0.9, 0.9)) == pytest.approx(ratio)


def test_the_ratios_that_were_published():
    assert ratio_of_last_to_first("Elite", (0, 0, 0), (1, 1, 1)) == pytest.approx(4.1, abs=0.05)
    reference = ratio_of_last_to_first("ReferenceElite", (0, 0, 0), (1, 1, 1))
    assert reference == pytest.approx(17.6, abs=0.05)


def test_the_middle_stands_in_the_middle_of_each_factor():
    rows = (0.0, 0.0, 0.0), (0.5, 0.5, 0.5), (1.0, 1.0, 1.0)
    weights = np.array([0.5, 0.65, 0.8]) ** 3
    shares = probabilities(archive_of(*rows), Selection())
    assert shares == pytest.approx(weights / weights.sum())


def test_elite_reads_raw_scores_and_the_runner_s_way_reads_bins():
    # b = 0.50 and 0.52 share a bin, which is not that of 0.9.
    rows = (0.5, 0.50, 0.1), (0.5, 0.52, 0.5), (0.5, 0.9, 0.9)
    elite = probabilities(archive_of(*rows), Selection(method="Elite"))
    factors = [(0.5, 0.5), (0.5 + 0.3 * 0.02 / 0.4, 0.65), (0.8, 0.8)]
    expected = np.array([b * c for b, c in factors])
    assert elite == pytest.approx(expected / expected.sum())
    binned = probabilities(archive_of(*rows), Selection(method="ReferenceElite"))
    # Bins of c: 1, 7, 13; of b: 7, 7, 13.
    expected = np.array([0.5 * 0.5, 0.5 * (0.5 + 0.8 * 0.5), 1.3 * 1.3])
    assert binned == pytest.approx(expected / expected.sum())


def test_a_dimension_in_which_all_are_equal_decides_nothing():
    shares = probabilities(archive_of((0.5, 0.1, 0.3), (0.5, 0.9, 0.3)), Selection())
    assert shares[1] / shares[0] == pytest.approx(1.6)


@given(st.data(), st.integers(1, 4), st.sampled_from(["Elite", "ReferenceElite", "Uniform"]))
def test_probabilities_are_positive_and_within_the_largest_ratio(data, tasks, method):
    drawn, offered = data.draw(axes(tasks)), data.draw(members(tasks))
    for archive in make_archives(drawn).values():
        for m in offered:
            archive.offer(m)
        if not archive.cells:
            continue
        shares = probabilities(archive, Selection(method=method))
        assert shares.shape == (len(archive.cells),)
        assert shares.sum() == pytest.approx(1.0)
        largest = {"Elite": 1.6, "ReferenceElite": 2.6, "Uniform": 1.0}[method] ** tasks
        assert shares.max() <= shares.min() * largest * (1 + 1e-9)
