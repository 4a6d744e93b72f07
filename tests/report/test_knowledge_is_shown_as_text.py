"""The section on verified answers counts what is there and shows answers as text only."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from cycleqd.report.data import FirstAnswer, ReportData, TaskKnowledge
from cycleqd.report.knowledge import MOST_LETTERS, MOST_LISTED, draw_solved, knowledge_lines
from cycleqd.report.write import write_report

from .sample import knowledge_sample, sample
from .test_page_is_self_contained import HOSTILE, Page

DATA = sample(1, bins=4, evaluations=16)
TITLE = "What the swarm knows"


def hostile() -> TaskKnowledge:
    script, image, braces = HOSTILE
    first = FirstAnswer(script, image, 3, f"</pre>{script}</details>{braces}")
    return TaskKnowledge(
        task=script, items=9, solved=(2, 5), new=(first,), alone=((image, (script,)),),
        unsolved=(script, braces), samples=(first,), experts=2,
    )  # fmt: skip


def page_of(data: ReportData, folder: Path) -> tuple[str, Page]:
    html = write_report(data, folder).html.read_text("utf-8")
    return html, Page(html)


def test_hostile_answers_are_text(tmp_path: Path) -> None:
    html, page = page_of(dataclasses.replace(DATA, knowledge=(hostile(),)), tmp_path)
    assert page.open == []
    assert "script" not in page.tags
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert "<script" not in html
    for sample_text in (f"</pre>{HOSTILE[0]}</details>", HOSTILE[1], "{{ 7 * 7 }}"):
        assert sample_text in page.text


def test_numbers_are_those_of_the_data(tmp_path: Path) -> None:
    known = knowledge_sample("sql")
    _, page = page_of(dataclasses.replace(DATA, knowledge=(known,)), tmp_path)
    assert TITLE in page.text
    assert (
        f"{known.solved[-1]} of {known.items} search items have a verified answer; the experts "
        f"together solve {known.experts}, and {len(known.new)} were first solved by"
    ) in page.text
    assert f"Solved by nobody ({len(known.unsolved)})" in page.text
    assert "Generations that solved more (3)" in page.text
    for line in (
        "generation 1: 1 more, 53 in all",
        "generation 4: 1 more, 54 in all",
        "generation 12: 1 more, 55 in all",
    ):
        assert line in page.text
    assert "generation 2:" not in page.text


def test_old_runs_have_no_section_or_say_why(tmp_path: Path) -> None:
    assert TITLE not in page_of(DATA, tmp_path)[1].text
    _, page = page_of(dataclasses.replace(DATA, silent=19), tmp_path)
    assert "19 evaluated candidates left none" in page.text
    mixed = dataclasses.replace(DATA, knowledge=(knowledge_sample("sql"),), silent=4)
    assert "4 evaluated candidates are not counted" in page_of(mixed, tmp_path)[1].text


def test_lists_and_answers_are_capped() -> None:
    long = FirstAnswer("q", "c000001", 1, "x" * 5000)
    ids = tuple(f"q{n}" for n in range(40))
    known = dataclasses.replace(
        hostile(), new=(long,) * 40, alone=(("c", ids),), unsolved=ids, samples=(long,)
    )
    lines = knowledge_lines(known)
    for listed in (lines.new, lines.unsolved):
        assert (len(listed.lines), listed.hidden) == (MOST_LISTED, 40 - MOST_LISTED)
    assert lines.alone.lines[0].endswith(f"and {40 - MOST_LISTED} more")
    assert len(lines.samples[0].answer) == MOST_LETTERS + 1


@pytest.mark.parametrize("solved", [(0,), (3,), (1, 1, 4, 9), tuple(range(10))])
def test_the_curve_rises_with_what_is_solved(solved: tuple[int, ...]) -> None:
    svg = ET.fromstring(draw_solved(solved, 9, 2))
    assert svg.get("aria-label") == f"{solved[-1]} of 9 items solved, 2 by experts"
    curve = [node.get("d") or "" for node in svg.iter() if node.tag.endswith("path")][-1]
    heights = [float(step.split("H")[0]) for step in curve.split("V")[1:]]
    assert len(heights) == len(solved) - 1
    assert heights == sorted(heights, reverse=True)
    assert draw_solved(solved, 9, 2) == draw_solved(solved, 9, 2)
