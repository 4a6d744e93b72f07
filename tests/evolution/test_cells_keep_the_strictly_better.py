"""A cell's elite gives way to strictly better quality only, whatever else is better."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cycleqd.evolution.archive import Axis, Member, make_archives
from tests.strategies import axes, members

AXES = (Axis("a", 0.0, 1.0, 5), Axis("b", 0.0, 1.0, 5))


def member(name, a, b):
    return Member(name, {"a": a, "b": b})


def test_equal_quality_keeps_the_first():
    archive = make_archives(AXES)["a"]
    assert archive.offer(member("first", 0.5, 0.31))
    assert not archive.offer(member("second", 0.5, 0.39))
    assert [m.candidate for _, m in archive.elites()] == ["first"]


def test_better_quality_replaces_and_worse_does_not():
    archive = make_archives(AXES)["a"]
    assert archive.offer(member("first", 0.5, 0.31))
    assert not archive.offer(member("worse", 0.49, 0.39))
    assert archive.offer(member("better", 0.51, 0.39))
    assert [m.candidate for _, m in archive.elites()] == ["better"]


def test_quality_and_behaviour_change_places_between_archives():
    archives = make_archives(AXES)
    for archive in archives.values():
        archive.offer(member("x", 0.9, 0.1))
        archive.offer(member("y", 0.7, 0.15))
    assert {m.candidate for m in archives["a"].cells.values()} == {"x"}
    assert {m.candidate for m in archives["b"].cells.values()} == {"x", "y"}


def test_a_copy_changes_alone():
    archive = make_archives(AXES)["a"]
    archive.offer(member("x", 0.5, 0.5))
    copy = archive.copy()
    copy.offer(member("y", 0.9, 0.5))
    assert archive.best == 0.5
    assert copy.best == 0.9


@given(st.data(), st.integers(1, 4))
def test_each_cell_holds_the_first_of_its_best(data, tasks):
    drawn, offered = data.draw(axes(tasks)), data.draw(members(tasks))
    for task, archive in make_archives(drawn).items():
        changed = [archive.offer(m) for m in offered]
        expected = {}
        for m in offered:
            expected.setdefault(archive.cell_of(m.scores), []).append(m)
        assert archive.cells == {
            cell: max(inside, key=lambda m: m.scores[task]) for cell, inside in expected.items()
        }
        assert sum(changed) >= len(archive.cells)


@given(st.data(), st.integers(1, 4))
def test_measures_are_those_of_the_cells(data, tasks):
    drawn, offered = data.draw(axes(tasks)), data.draw(members(tasks))
    for task, archive in make_archives(drawn).items():
        for m in offered:
            archive.offer(m)
        qualities = [m.scores[task] for m in archive.cells.values()]
        assert archive.qd_score == pytest.approx(sum(qualities))
        assert archive.best == max(qualities, default=0.0)
        assert archive.coverage == pytest.approx(len(qualities) / archive.cell_count)
        assert [m.scores[task] for m in archive.ranked()] == sorted(qualities, reverse=True)
