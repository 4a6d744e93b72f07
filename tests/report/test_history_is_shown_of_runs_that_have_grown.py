"""The page tells who joined, what that cost and what was kept, as ``cycleqd history`` does."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from cycleqd.report.accuracy import draw_accuracy
from cycleqd.report.from_store import report_data
from cycleqd.report.life import held_back, life_lines
from cycleqd.report.theme import DARK, LIGHT, THEMES, Theme
from cycleqd.report.write import write_report
from cycleqd.run.timeline import timeline
from cycleqd.store import MemoryStore
from tests.run.synthetic import SKILLS, begin, do_everything, grow, manifest

from .grown import life, with_life
from .pictures import pixels, share_of
from .sample import sample

NAMES = ("sql", "python", "shell", "regex", "json")


def test_a_run_that_has_grown_tells_what_its_store_says(tmp_path: Path) -> None:
    run = begin(MemoryStore(), manifest(generations=3))
    do_everything(run)
    assert report_data(run).life is None
    assert "<h2>History" not in write_report(report_data(run), tmp_path / "before").html.read_text()
    grow(run, manifest(skills=(*SKILLS, "regex"), generations=8))
    do_everything(run)
    data = report_data(run)
    assert data.life == timeline(run)
    html = write_report(data, tmp_path).html.read_text()
    assert "<h2>History" in html
    (cost,) = data.life.costs
    assert cost.told() == "expert regex, task regex joined"
    row = html.partition('<th scope="row">expert regex, task regex')[2].partition("</tr>")[0]
    shown = re.findall(r'<td class="number">([0-9,]+)<', row)
    assert shown == [str(cost.generation), str(cost.revisited), str(cost.introduced), "0"]


def test_an_announced_joining_shows_nothing_before_it_is_planned() -> None:
    run = begin(MemoryStore(), manifest(generations=3))
    do_everything(run)
    grow(run, manifest(skills=(*SKILLS, "regex"), generations=8))
    assert run.latest().joins
    assert report_data(run).life is None


def test_measures_have_errors_and_tasks_what_was_forgotten(tmp_path: Path) -> None:
    data = with_life(sample(5, bins=3, evaluations=16, names=NAMES), 3)
    assert data.life is not None
    assert data.life.archive is not None
    lines = life_lines(data.life)
    backward, forgetting = data.life.archive.bwt, data.life.archive.forgetting
    assert backward is not None
    assert forgetting is not None
    by_name = {line.name: [str(value) for value in line.values] for line in lines.measures}
    assert by_name["backward transfer"][0] == f"{backward.value:+.3f} ± {backward.error:.3f}"
    assert by_name["forgetting"][0] == f"{forgetting.value:+.3f} ± {forgetting.error:.3f}"
    kept = {line.name: [str(value) for value in line.values] for line in lines.by_task}
    assert list(kept) == list(NAMES)
    assert kept["json"][0] == "\N{EN DASH}", "it was learned at the last step"
    html = write_report(data, tmp_path).html.read_text()
    for value in (f"{backward.value:+.3f}", f"± {backward.error:.3f}", kept["sql"][0].split()[0]):
        assert value in html


def test_who_was_held_back_is_told_with_the_losses_in_the_order_of_tasks(tmp_path: Path) -> None:
    data = with_life(sample(5, bins=3, evaluations=16, names=NAMES), 3)
    assert data.life is not None
    (sentence,) = held_back(data.life)
    assert sentence.startswith("generation 6: aggregate-000006 was held back, aggregate-000003")
    assert re.findall(r"(\w+) \+0\.010", sentence) == ["sql", "python", "shell", "regex"]
    assert sentence in write_report(data, tmp_path).html.read_text()


def test_names_of_newcomers_are_text(tmp_path: Path) -> None:
    hostile = ("sql", "python", "<script>alert(1)</script>")
    data = with_life(sample(3, bins=3, evaluations=16, names=hostile), 1)
    html = write_report(data, tmp_path).html.read_text()
    assert "<script>" not in html
    assert "expert &lt;script&gt;alert(1)&lt;/script&gt;" in html


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_each_task_and_the_mean_have_a_line(theme: Theme) -> None:
    lived = life(NAMES, 3)
    picture = pixels(draw_accuracy(lived, "archive", theme))
    for index in range(4):  # the last has a single point
        assert share_of(picture, theme.series_style(index)[0]) > 0.0005
    assert share_of(picture, theme.ink) > 0.001
    assert share_of(picture, theme.surface) > 0.5


def test_a_life_of_one_step_and_one_of_many_can_be_drawn() -> None:
    lived = life(NAMES, 3)
    once = dataclasses.replace(lived, steps=lived.steps[:1])
    often = life(tuple(f"a-task-with-a-long-name-{n}" for n in range(40)), 1)
    for one in (once, often):
        sizes = {pixels(draw_accuracy(one, "published", theme)).shape for theme in (LIGHT, DARK)}
        assert len(sizes) == 1


def test_a_run_whose_first_table_is_open_says_so(tmp_path: Path) -> None:
    data = with_life(sample(4, bins=3, evaluations=16), 3)
    assert data.life is not None
    open_ = dataclasses.replace(data.life, steps=(), archive=None, published=None)
    html = write_report(dataclasses.replace(data, life=open_), tmp_path).html.read_text()
    assert "No step yet" in html
    assert "What was kept" not in html
