"""Parents come from two distinct cells, as often as their probabilities say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cycleqd.evolution.archive import Axis, Member, make_archives
from cycleqd.evolution.rng import stream
from cycleqd.evolution.selection import draw_parents, probabilities
from cycleqd.manifest.evolution import Selection
from tests.strategies import axes, members

DRAWS = 20_000
CHI_SQUARE_AT_1E_4 = {5: 25.7, 14: 42.6}  # by degrees of freedom; seeds are fixed


def archive_of_six():
    random = np.random.default_rng(8)
    archive = make_archives([Axis(name, 0.0, 1.0, 15) for name in "abc"])["a"]
    for number in range(6):
        b = (number + 0.5) / 15
        archive.offer(Member(str(number), {"a": random.random(), "b": b, "c": random.random()}))
    return archive


@pytest.mark.parametrize("method", ["Elite", "ReferenceElite", "Uniform"])
def test_frequencies_of_first_and_pairs(method):
    archive, selection = archive_of_six(), Selection(method=method)
    share = probabilities(archive, selection)
    first, pairs = np.zeros(6), np.zeros((6, 6))
    one_long_stream = stream(1, 0, "selection")
    for _ in range(DRAWS):
        one, two = draw_parents(archive, selection, one_long_stream)
        first[int(one.candidate)] += 1
        pairs[int(one.candidate), int(two.candidate)] += 1
    assert pairs.trace() == 0
    expected = share * DRAWS
    assert ((first - expected) ** 2 / expected).sum() < CHI_SQUARE_AT_1E_4[5]
    # The second is drawn from those left, by the same weights.
    ordered = share[:, None] * share[None, :] / (1 - share[:, None])
    upper = np.triu_indices(6, 1)
    expected_pairs = (ordered + ordered.T)[upper] * DRAWS
    seen = (pairs + pairs.T)[upper]
    assert ((seen - expected_pairs) ** 2 / expected_pairs).sum() < CHI_SQUARE_AT_1E_4[14]


def test_one_occupied_cell_has_no_second_parent():
    archive = make_archives([Axis("a", 0.0, 1.0, 3)])["a"]
    only = Member("x", {"a": 0.5})
    archive.offer(only)
    assert draw_parents(archive, Selection(), stream(0, 0)) == (only, None)


def test_an_empty_archive_is_refused_by_name():
    archive = make_archives([Axis("sql", 0.0, 1.0, 3)])["sql"]
    with pytest.raises(ValueError, match="'sql' is empty"):
        draw_parents(archive, Selection(), stream(0, 0))


@given(st.data(), st.integers(2, 4), st.integers(0, 1000))
def test_two_cells_always(data, tasks, candidate):
    drawn, offered = data.draw(axes(tasks)), data.draw(members(tasks))
    for archive in make_archives(drawn).values():
        for m in offered:
            archive.offer(m)
        if len(archive.cells) >= 2:
            one, two = draw_parents(archive, Selection(), stream(0, candidate, "selection"))
            assert archive.cell_of(one.scores) != archive.cell_of(two.scores)
            assert one in archive.cells.values()
            assert two in archive.cells.values()
