"""The table of architectures in the documents is what the tests with real engines try."""

from __future__ import annotations

from tests.architectures import table

from .repository import ROOT


def test_the_documents_say_what_is_tried() -> None:
    lines = (ROOT / "docs" / "evaluation.md").read_text("utf-8").splitlines()
    begin = lines.index(table()[0])
    end = lines.index("", begin)
    assert lines[begin:end] == table()
