"""Any two axes of an archive span a picture; over the others a cell shows the best elite."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from cycleqd.report.data import ArchiveView, BehaviourAxis, Elite
from cycleqd.ui.heatmap import MOST_GROUPS, colour, heatmap


def archive(tasks: int, bins: int, cells: dict[tuple[int, ...], float]) -> ArchiveView:
    edges = tuple(n / bins for n in range(bins + 1))
    axes = tuple(BehaviourAxis(f"t{n}", edges) for n in range(1, tasks))
    elites = {
        cell: Elite(f"c{number:06d}", {"t0": score, **{a.task: 0.5 for a in axes}})
        for number, (cell, score) in enumerate(cells.items())
    }
    return ArchiveView("t0", axes, elites)


@st.composite
def archives(draw: st.DrawFn) -> ArchiveView:
    tasks, bins = draw(st.integers(3, 6)), draw(st.integers(1, 100))
    cell = st.tuples(*[st.integers(0, bins - 1)] * (tasks - 1))
    return archive(tasks, bins, draw(st.dictionaries(cell, st.floats(0, 1), max_size=30)))


@given(archives(), st.data())
def test_a_cell_shows_the_best_over_all_other_axes(view: ArchiveView, data: st.DataObject) -> None:
    count = len(view.axes)
    x = data.draw(st.integers(0, count - 1))
    y = data.draw(st.integers(0, count - 1).filter(lambda n: n != x))
    drawn = heatmap(view, x, y)
    size = -(-view.axes[0].bins // MOST_GROUPS)
    best: dict[tuple[int, int], float] = {}
    for cell, elite in view.cells.items():
        place = (cell[x] // size, cell[y] // size)
        best[place] = max(best.get(place, 0.0), elite.scores["t0"])
    assert {(s.column, s.row) for s in drawn.squares} == set(best)
    scores = {elite.candidate: elite.scores["t0"] for elite in view.cells.values()}
    for square in drawn.squares:
        assert scores[square.candidate] == best[square.column, square.row]
        left, top, width, height = drawn.frame
        assert left - 1e-6 <= square.x <= left + width - square.width + 1e-6
        assert top - 1e-6 <= square.y <= top + height - square.height + 1e-6
    assert len({s.name for s in drawn.squares}) == len(drawn.squares)
    assert len(drawn.hidden) == count - 2


@pytest.mark.parametrize(("tasks", "cell"), [(1, ()), (2, (3,))])
def test_few_tasks_have_a_picture_too(tasks: int, cell: tuple[int, ...]) -> None:
    drawn = heatmap(archive(tasks, 10, {cell: 0.7}))
    assert [square.candidate for square in drawn.squares] == ["c000000"]
    assert (drawn.across is None, drawn.up) == (tasks == 1, None)


def test_colours_go_from_dark_to_yellow() -> None:
    assert (colour(0.0), colour(1.0)) == ("#440154", "#fde725")
    assert colour(-1.0) == colour(0.0)
    assert colour(2.0) == colour(1.0)


def test_axes_are_chosen_by_the_address(page: TestClient) -> None:
    address = "/runs/team:grown/archives/sql"
    shown = page.get(f"{address}?x=2&y=0").text
    assert "regex score</text>" in shown
    assert "python score</text>" in shown
    assert "over shell" in shown
    for odd in ("?x=9&y=9", "?x=-1&y=a", "?x=1&y=1", "?x=" + "9" * 5000):
        assert page.get(address + odd).status_code == 200, odd[:20]


def test_cells_lead_to_members_and_say_what_they_are(page: TestClient) -> None:
    import re

    shown = page.get("/runs/done/archives/sql").text
    cells = re.findall(r'<a id="cell-\d+-\d+" href="([^"]+)" aria-label="([^"]+)"', shown)
    assert len(cells) > 5
    for address, label in cells:
        candidate = address.rpartition("/")[2]
        assert label.startswith(f"{candidate}: sql ")
        assert page.get(address).status_code == 200


def test_a_member_tells_its_scores_places_parents_and_items(page: TestClient) -> None:
    shown = page.get("/runs/done/members/c000012").text
    assert "Made in generation 2 with sql in focus" in shown
    assert "0.950 <small>± 0.050" in shown
    assert 'id="ancestor-expert-shell"' in shown
    assert "shell, search items: 19 of 20 solved" in shown
    assert "cell 1, 7" in shown
    assert "cycleqd export memory:/done --member c000012 --out models/c000012" in shown
    final = page.get("/runs/done/members/aggregate-000006").text
    assert "Made for a final table" in final
    assert "held-out items: " in final


def test_a_comparison_sets_runs_side_by_side(page: TestClient) -> None:
    shown = page.get("/compare?run=done&run=half&run=team:grown&run=nobody").text
    assert "1 of the runs are not below the prefix" in shown
    assert shown.count('<path class="c2"') == 4
    assert "done 66.35; half 39.5; team:grown 57.35" in shown
