"""Re-binning needs raw scores only, and re-inserting survivors into finer bins loses none."""

from hypothesis import given
from hypothesis import strategies as st

from cycleqd.evolution.archive import Axis, make_archives
from tests.strategies import axes, members


def filled(drawn, offered):
    archives = make_archives(drawn)
    for archive in archives.values():
        for m in offered:
            archive.offer(m)
    return archives


@given(st.data(), st.integers(1, 4))
def test_merging_neighbouring_bins_of_an_archive_equals_coarse_bins_from_the_start(data, tasks):
    coarse = data.draw(axes(tasks, max_bins=4))
    offered = data.draw(members(tasks))
    # Exactly nested: the coarse edges are among the fine ones.
    coarse = tuple(Axis(a.task, 0.0, 1.0, 2 ** (a.bins - 1)) for a in coarse)
    fine = tuple(Axis(a.task, 0.0, 1.0, 4 * a.bins) for a in coarse)
    detailed, direct = filled(fine, offered), filled(coarse, offered)
    for task, archive in direct.items():
        again = make_archives(coarse)[task]
        # In the order in which they were found, which decides between equals.
        for m in sorted(detailed[task].cells.values(), key=lambda m: m.candidate):
            again.offer(m)
        assert again == archive


@given(st.data(), st.integers(1, 4))
def test_splitting_cells_loses_no_elite(data, tasks):
    coarse = tuple(Axis(a.task, 0.0, 1.0, a.bins) for a in data.draw(axes(tasks)))
    finer = tuple(Axis(a.task, 0.0, 1.0, 3 * a.bins) for a in coarse)
    archives = filled(coarse, data.draw(members(tasks)))
    for task, archive in archives.items():
        again = make_archives(finer)[task]
        assert all(again.offer(m) for _, m in archive.elites())
        assert again.qd_score == archive.qd_score
