"""What the page says of the swarm's verified answers, and the curve of solved items as SVG.

Answers are completions of models: untrusted text, which the template escapes like all else. Lists
are capped, with a count of what is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from cycleqd.report.data import TaskKnowledge
from cycleqd.report.theme import LIGHT

MOST_LISTED = 12
MOST_LETTERS = 700
_WIDTH, _HEIGHT, _LEFT, _EDGE = 340, 120, 34, 16


@dataclass(frozen=True)
class Listed:
    """The first of some lines, and how many are left out."""

    lines: tuple[str, ...]
    hidden: int


@dataclass(frozen=True)
class Sample:
    """An answer that is shown."""

    item: str
    who: str
    answer: str


@dataclass(frozen=True)
class KnowledgeLines:
    """A task's part of the section.

    Attributes:
        task: the task.
        sentence: how much is known.
        svg: the curve.
        growth: generations that solved an item which nobody had solved before, with the counts.
        new: items that no expert solves, with who solved them first.
        alone: candidates with the items that only they solve.
        unsolved: items that nobody solves.
        samples: answers to read.
    """

    task: str
    sentence: str
    svg: str
    growth: Listed
    new: Listed
    alone: Listed
    unsolved: Listed
    samples: tuple[Sample, ...]


def knowledge_lines(known: TaskKnowledge) -> KnowledgeLines:
    """What is shown of one task."""
    now = known.solved[-1]
    return KnowledgeLines(
        task=known.task,
        sentence=(
            f"{now} of {known.items} search items have a verified answer; the experts together "
            f"solve {known.experts}, and {len(known.new)} were first solved by their descendants."
        ),
        svg=draw_solved(known.solved, known.items, known.experts),
        growth=_listed(
            [
                f"generation {number}: {after - before} more, {after} in all"
                for number, (before, after) in enumerate(pairwise(known.solved), 1)
                if after > before
            ]
        ),
        new=_listed([f"{f.item}: {f.candidate}, generation {f.generation}" for f in known.new]),
        alone=_listed([f"{c}: {', '.join(_few(items))}" for c, items in known.alone]),
        unsolved=_listed(known.unsolved),
        samples=tuple(
            Sample(f.item, f"{f.candidate}, generation {f.generation}", _shortened(f.answer))
            for f in known.samples
        ),
    )


def draw_solved(solved: Sequence[int], items: int, experts: int) -> str:
    """Solved items by generation as a complete ``<svg>``; the dashed line is the experts' share."""
    right, bottom = _WIDTH - _EDGE, _HEIGHT - _EDGE
    step = (right - _LEFT) / max(1, len(solved) - 1)

    def height(count: int) -> float:
        return bottom - (bottom - _EDGE) * count / max(1, items)

    path = f"M{_LEFT} {height(solved[0]):.1f}"
    for number, count in enumerate(solved[1:], 1):
        path += f"H{_LEFT + number * step:.1f}V{height(count):.1f}"
    line = f"stroke:var(--muted, {LIGHT.muted});stroke-width:1;fill:none"
    text = f'font-size="10" style="fill:var(--muted, {LIGHT.muted})"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{solved[-1]} of {items} items solved, {experts} by experts">'
        f'<path d="M{_LEFT} {_EDGE}V{bottom}H{right}" style="{line}"/>'
        f'<path d="M{_LEFT} {height(experts):.1f}H{right}" '
        f'style="{line};stroke-dasharray:4 4"/>'
        f'<path d="{path}" style="fill:none;stroke:var(--accent, #2f6fde);stroke-width:2"/>'
        f'<text x="{_LEFT - 5}" y="{_EDGE + 4}" text-anchor="end" {text}>{items}</text>'
        f'<text x="{_LEFT - 5}" y="{bottom}" text-anchor="end" {text}>0</text>'
        f'<text x="{right}" y="{_HEIGHT - 3}" text-anchor="end" {text}>'
        f"generation {len(solved) - 1}</text></svg>"
    )


def _listed(lines: Sequence[str]) -> Listed:
    return Listed(tuple(lines[:MOST_LISTED]), max(0, len(lines) - MOST_LISTED))


def _few(items: Sequence[str]) -> list[str]:
    more = len(items) - MOST_LISTED
    return [*items[:MOST_LISTED], *([f"and {more} more"] if more > 0 else [])]


def _shortened(answer: str) -> str:
    return answer if len(answer) <= MOST_LETTERS else f"{answer[:MOST_LETTERS]}…"
