"""The page loads nothing from anywhere, runs no script, and shows hostile names as text."""

from __future__ import annotations

import base64
import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from cycleqd.report.data import FailedCandidate, ReportData
from cycleqd.report.write import ReportPaths, write_report

from .pictures import pixels
from .sample import sample, started

VOID = {"meta", "img", "source", "br", "link", "input", "path", "rect"}
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "{{ 7 * 7 }} $\\frac{1}{0}$ %s ../../etc/passwd\ud800",
)


class Page(HTMLParser):
    """Tags and attributes of a page, and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[ReportData, ReportPaths]:
    data = sample(3, bins=5, evaluations=24, names=HOSTILE)
    data = dataclasses.replace(
        data,
        run=dataclasses.replace(data.run, name=HOSTILE[0], store=HOSTILE[1]),
        failures=(FailedCandidate(HOSTILE[0], HOSTILE[1], HOSTILE[2]),),
    )
    return data, write_report(data, tmp_path_factory.mktemp("report"))


def test_nothing_is_loaded_and_nothing_runs(written: tuple[ReportData, ReportPaths]) -> None:
    html = written[1].html.read_text("utf-8")
    page = Page(html)
    assert page.open == []
    assert not {"script", "link", "iframe", "object", "embed", "base"} & set(page.tags)
    for tag, name, value in page.attributes:
        assert not name.startswith("on"), (tag, name)
        if name in ("src", "srcset", "href", "xlink:href", "action"):
            assert value.startswith("data:image/png;base64,"), (tag, name, value[:60])
    assert not re.search(r"url\(|@import", html)
    addresses = set(re.findall(r"https?://[^\"'\s<)]+", html))
    assert addresses <= {"http://www.w3.org/2000/svg"}, "a name space, never loaded"
    assert "default-src 'none'" in html


def test_pictures_in_the_page_are_those_of_the_files(
    written: tuple[ReportData, ReportPaths],
) -> None:
    html = written[1].html.read_text("utf-8")
    inlined = [
        base64.b64decode(text) for text in re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    ]
    files = [path for paths in written[1].heatmaps.values() for path in paths]
    expected = [path.read_bytes() for path in (*written[1].curves, *files)]
    assert sorted(inlined) == sorted(expected)
    assert len(inlined) == 6
    for png in inlined:
        assert pixels(png).std() > 10
    assert html.count("<source") == 6, "each has a dark twin"


def test_hostile_names_are_shown_as_text(written: tuple[ReportData, ReportPaths]) -> None:
    data, paths = written
    page = Page(paths.html.read_text("utf-8"))
    for name in HOSTILE:
        assert name.replace("\ud800", "?") in page.text
    assert "49" not in re.findall(r"\b\d+\b", page.text.split("</h1>")[0][:200])
    folder = paths.html.parent
    assert {path.parent for path in folder.rglob("*") if path.is_file()} == {folder}
    for path in folder.iterdir():
        assert re.fullmatch(r"[A-Za-z0-9_-]+\.(html|png|svg)", path.name)
    assert len(paths.heatmaps) == len(data.tasks)


def test_a_report_of_nothing_says_so(tmp_path: Path) -> None:
    for data in (started(), dataclasses.replace(started(), tasks=(), archives=())):
        page = Page(write_report(data, tmp_path).html.read_text("utf-8"))
        assert "No candidate has been evaluated yet." in page.text
        assert "No table yet" in page.text


def test_the_same_report_again_has_the_same_bytes(tmp_path: Path) -> None:
    data = sample(2, bins=4, evaluations=16, complete=False)
    for name in ("a", "b", "a"):
        write_report(data, tmp_path / name)
    first, second = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in "ab"
    )
    assert first == second
