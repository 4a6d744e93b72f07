"""Every relative link and picture of the documents leads to a file, or to a heading of one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from .repository import ROOT, documents

if TYPE_CHECKING:
    from pathlib import Path

LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|srcset|href)=\"([^\"]+)\"")
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def _links(path: Path) -> list[str]:
    text = FENCE.sub("", path.read_text("utf-8"))
    found = [a or b for a, b in LINK.findall(text)]
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def _anchors(path: Path) -> set[str]:
    """The anchors that GitHub gives to a document's headings."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text("utf-8")), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()).strip() for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("document", documents(), ids=lambda p: str(p.relative_to(ROOT)))
def test_links(document: Path) -> None:
    broken = []
    for link in _links(document):
        name, _, anchor = link.partition("#")
        target = (document.parent / name).resolve() if name else document
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_page_is_reachable_from_the_readme() -> None:
    seen: set[Path] = set()
    todo = [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page in seen or page.suffix != ".md" or not page.exists():
            continue
        seen.add(page)
        links = (link.partition("#")[0] for link in _links(page))
        todo += [(page.parent / link).resolve() for link in links if link]
    assert [str(page.relative_to(ROOT)) for page in documents() if page not in seen] == []


def test_documents_named_in_the_code_exist() -> None:
    named = {
        (name, str(path.relative_to(ROOT)))
        for folder in ("runtime", "scripts", "benchmarks")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix in {"", ".py"}
        for name in re.findall(r"docs/[a-z-]+\.md", path.read_text("utf-8"))
    }
    assert named
    assert sorted((name, path) for name, path in named if not (ROOT / name).exists()) == []
