"""One to six tasks and more: K archives of K-1 axes, in memory only what is occupied."""

import sys

import pytest

from cycleqd.evolution.archive import Axis, Member, make_archives


@pytest.mark.parametrize("tasks", [1, 2, 3, 4, 5, 6])
def test_each_task_has_its_archive_over_the_others(tasks):
    names = [f"t{k}" for k in range(tasks)]
    archives = make_archives([Axis(name, 0.0, 1.0, 15) for name in names])
    assert list(archives) == names
    for task, archive in archives.items():
        assert [axis.task for axis in archive.axes] == [n for n in names if n != task]
        assert archive.cell_count == 15 ** (tasks - 1)
        assert archive.offer(Member("x", dict.fromkeys(names, 0.5)))
        assert archive.elites() == [((7,) * (tasks - 1), Member("x", dict.fromkeys(names, 0.5)))]
        assert archive.coverage == 1 / 15 ** (tasks - 1)


def test_the_paper_s_grid_has_225_cells():
    assert make_archives([Axis(n, 0.1, 0.9, 15) for n in "abc"])["a"].cell_count == 225


def test_a_grid_too_large_for_any_array_costs_what_is_occupied():
    names = [f"t{k}" for k in range(64)]
    archives = make_archives([Axis(name, 0.0, 1.0, 1000) for name in names])
    archive = archives["t0"]
    archive.offer(Member("x", dict.fromkeys(names, 0.25)))
    assert archive.cell_count == 1000**63
    assert archive.coverage > 0
    assert sys.getsizeof(archive.cells) < 1000


def test_a_single_task_keeps_the_single_best():
    archive = make_archives([Axis("t", 0.0, 1.0, 15)])["t"]
    for number, score in enumerate([0.3, 0.5, 0.5, 0.4]):
        archive.offer(Member(f"c{number}", {"t": score}))
    assert archive.elites() == [((), Member("c1", {"t": 0.5}))]
    assert archive.coverage == 1.0
