"""Scores of right and wrong answers to published items, by their form.

    python -m benchmarks.published [TYPE:FILE ...] [--timeout-seconds 30]

Without files, the rows that the tests wrote in every published form, each with its own solution
and a wrong answer. With files, such as ``python:HumanEval.jsonl.gz``, all that these hold: an
item's own solution, and as the wrong answer that of the item after it, which may be right too.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests import published

from cycleqd.evaluation.sandbox import MOST_SLOTS, Limits, Sandbox
from cycleqd.evaluation.tasks import read_items, skill_of
from cycleqd.evaluation.tasks.databases import DatabaseFiles
from cycleqd.evaluation.tasks.reading import Dataset

OTHERS: dict[str, tuple[str, dict[str, Any], str]] = {
    "GSM8K": ("number", published.GSM8K, "#### 1,801"),
    "question and answer": ("exact", published.GSM8K, "1,801"),
    "Spider": ("sql", published.SPIDER, "SELECT name FROM plants"),
    "BIRD": ("sql", published.BIRD, "SELECT bed FROM plants"),
}
"""Rows of other types by their form: type, row, wrong answer."""


def score(kind: str, found: Dataset, answers: Sequence[str | None], limits: Limits) -> list[str]:
    """Ids of the items that their answer solves, of those that have one."""
    skill = skill_of(kind, None)
    pairs = [pair for pair in zip(found.items, answers, strict=True) if pair[1] is not None]
    items = [item for item, _ in pairs]
    programs = [skill.answer(item, answer or "") for item, answer in pairs]
    with Sandbox(slots=MOST_SLOTS) as box:
        solved = skill.judge(items, programs, box, limits)
    return [item.text("id") for item, right in zip(items, solved, strict=True) if right]


def rows_of_tests() -> Iterator[tuple[str, str, Dataset, list[str | None]]]:
    """Form, type, item and wrong answer of each row that the tests wrote."""
    python = {name: ("python", *row) for name, row in published.PYTHON.items()}
    for form, (kind, row, wrong) in (python | OTHERS).items():
        with TemporaryDirectory(prefix="cycleqd-published-") as name:
            folder = Path(name)
            published.garden(folder)
            path = folder / "rows.json"
            path.write_text(json.dumps([row]))
            databases = DatabaseFiles.beside(path, None) if kind == "sql" else None
            yield form, kind, read_items(path, skill_of(kind, None), databases=databases), [wrong]


def rows_of_files(files: Sequence[str]) -> Iterator[tuple[str, str, Dataset, list[str | None]]]:
    """File, type, items and wrong answers of each file."""
    for file in files:
        kind, _, path = file.partition(":")
        databases = DatabaseFiles.beside(Path(path), None) if kind == "sql" else None
        found = read_items(Path(path), skill_of(kind, None), databases=databases)
        yield Path(path).name, kind, found, [*found.solutions[1:], found.solutions[0]]


def main() -> None:
    """Judge and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="*", metavar="TYPE:FILE")
    parser.add_argument("--timeout-seconds", type=int, default=30)
    given = parser.parse_args()
    seconds = given.timeout_seconds
    limits = Limits(cpu_seconds=seconds, wall_seconds=20 * seconds)
    found = rows_of_files(given.files) if given.files else rows_of_tests()
    print("| rows | type | items | own solution | wrong answer | no answer |")
    print("|---|---|---:|---:|---:|---:|")
    notes = []
    for name, kind, items, wrong in found:
        told = [
            item.text("id") for item, own in zip(items.items, items.solutions, strict=True) if own
        ]
        ways = (items.solutions, wrong, [""] * items.count)
        own, other, nothing = (score(kind, items, answers, limits) for answers in ways)
        counts = f"{len(own)} of {len(told)} | {len(other)} | {len(nothing)}"
        print(f"| {name} | `{kind}` | {items.count} | {counts} |", flush=True)
        unsolved = [identifier for identifier in told if identifier not in own]
        if unsolved:
            notes.append(f"{name}, not solved by their own solution: {', '.join(unsolved)}")
        if other:
            notes.append(f"{name}, solved by the wrong answer: {', '.join(other)}")
    print("\n".join(["", *notes]))


if __name__ == "__main__":
    main()
