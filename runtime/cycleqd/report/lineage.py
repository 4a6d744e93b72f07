"""Who a member descends from, as an SVG picture: itself on top, the experts at the bottom.

A member of generation 200 may have thousands of ancestors. The nearest are drawn, and whatever
lies between them and the experts becomes one box that says how many there are.

The SVG takes its colours from the page's style sheet where it has one, so it follows light and
dark; opened as a file of its own it falls back to the light colours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from cycleqd.report.data import Ancestor
from cycleqd.report.theme import LIGHT, shortened

MOST_BOXES = 20
_WIDTH, _HEIGHT = 156, 86
_GAP_X, _GAP_Y = 18, 44
_MARGIN = 10
_MOST_IN_ROW = 6
_ELLIPSIS = "\0earlier"
_MOST_BARS = 8
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class Tree:
    """What is drawn of a family.

    Attributes:
        rows: ids from the member on top to the experts at the bottom.
        edges: pairs of child and parent, both drawn.
        cut: drawn members of which some parent is not.
        hidden: ancestors that are not drawn.
        total: all ancestors.
    """

    rows: tuple[tuple[str, ...], ...]
    edges: tuple[tuple[str, str], ...]
    cut: frozenset[str]
    hidden: int
    total: int


def plan_tree(ancestors: Mapping[str, Ancestor], member: str) -> Tree:
    """Choose what to draw and where; parents that are not known are left out."""
    everyone = _nearest_first(ancestors, member)
    roots = [name for name in everyone if name != member and not _parents(ancestors, name)]
    between = [name for name in everyone if name not in roots]
    room = max(1, MOST_BOXES - min(len(roots), MOST_BOXES // 2))
    drawn_roots = roots[: MOST_BOXES // 2]
    drawn = between[:room]
    shown = {*drawn, *drawn_roots}
    hidden = len(everyone) - len(shown)

    depth = dict.fromkeys(drawn, 0)
    for _ in drawn:  # longest path from the member; a tree of n boxes settles in n rounds
        before = dict(depth)
        for name in drawn:
            for parent in _parents(ancestors, name):
                if parent in depth and parent != name:
                    depth[parent] = min(max(depth[parent], depth[name] + 1), len(drawn))
        if depth == before:
            break
    rows: list[list[str]] = []
    for level in sorted(set(depth.values())):
        names = [name for name in drawn if depth[name] == level]
        rows += [names[i : i + _MOST_IN_ROW] for i in range(0, len(names), _MOST_IN_ROW)]
    edges = [
        (name, parent)
        for name in drawn
        for parent in dict.fromkeys(_parents(ancestors, name))
        if parent in shown and parent != name
    ]
    if hidden:
        rows.append([_ELLIPSIS])
        edges += [(_ELLIPSIS, root) for root in drawn_roots]
    rows += [drawn_roots[i : i + _MOST_IN_ROW] for i in range(0, len(drawn_roots), _MOST_IN_ROW)]
    cut = frozenset(
        name for name in drawn if any(p not in shown for p in _parents(ancestors, name))
    )
    return Tree(_untangled(rows, edges), tuple(edges), cut, hidden, len(everyone) - 1)


def draw_lineage(ancestors: Mapping[str, Ancestor], member: str, tasks: Sequence[str]) -> str:
    """The picture as a complete ``<svg>`` element."""
    tree = plan_tree(ancestors, member)
    widest = max(len(row) for row in tree.rows)
    width = 2 * _MARGIN + widest * (_WIDTH + _GAP_X) - _GAP_X
    height = 2 * _MARGIN + len(tree.rows) * (_HEIGHT + _GAP_Y) - _GAP_Y
    places: dict[str, tuple[float, float]] = {}
    for level, row in enumerate(tree.rows):
        left = (width - len(row) * (_WIDTH + _GAP_X) + _GAP_X) / 2
        for position, name in enumerate(row):
            places[name] = (
                left + position * (_WIDTH + _GAP_X),
                _MARGIN + level * (_HEIGHT + _GAP_Y),
            )
    label = quoteattr(_clean(f"Ancestors of {member}"))
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="lineage" width="{width}" '
        f'height="{height}" viewBox="0 0 {width} {height}" role="img" aria-label={label} {_FONT}>'
    )
    parts = [head]
    parts += [_edge(places[child], places[parent]) for child, parent in tree.edges]
    parts += [_stub(places[name]) for name in places if name in tree.cut]
    for name, (x, y) in places.items():
        if name == _ELLIPSIS:
            parts.append(_ellipsis(x, y, tree.hidden))
        else:
            parts.append(_box(ancestors.get(name, Ancestor(name)), (x, y), tasks, name == member))
    return "".join([*parts, "</svg>"])


def _parents(ancestors: Mapping[str, Ancestor], name: str) -> tuple[str, ...]:
    known = ancestors.get(name)
    return () if known is None else tuple(p for p in known.parents if p in ancestors)


def _nearest_first(ancestors: Mapping[str, Ancestor], member: str) -> list[str]:
    found = {member: None}
    queue = [member]
    for name in queue:
        for parent in _parents(ancestors, name):
            if parent not in found:
                found[parent] = None
                queue.append(parent)
    return list(found)


def _untangled(
    rows: Sequence[Sequence[str]], edges: Sequence[tuple[str, str]]
) -> tuple[tuple[str, ...], ...]:
    """Each row ordered by the mean place of its children above, so that fewer lines cross."""
    place: dict[str, float] = {}
    ordered = []
    for row in rows:
        above: dict[str, list[float]] = {name: [] for name in row}
        for child, parent in edges:
            if parent in above and child in place:
                above[parent].append(place[child])
        centre = {name: sum(xs) / len(xs) if xs else 0.5 for name, xs in above.items()}
        sequence = sorted(row, key=lambda name: (centre[name], name))
        for position, name in enumerate(sequence):
            place[name] = (position + 0.5) / len(sequence)
        ordered.append(tuple(sequence))
    return tuple(ordered)


_FONT = "font-family=\"system-ui, 'DejaVu Sans', sans-serif\""
_INK = f"var(--ink, {LIGHT.ink})"
_MUTED = f"var(--muted, {LIGHT.muted})"
_LINE = f"var(--line, {LIGHT.line})"
_SURFACE = f"var(--surface, {LIGHT.surface})"
_ACCENT = "var(--accent, #2f6fde)"


def _clean(text: str) -> str:
    return _UNPRINTABLE.sub("�", text)


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(_clean(text))}</text>'


def _edge(child: tuple[float, float], parent: tuple[float, float]) -> str:
    x1, y1 = child[0] + _WIDTH / 2, child[1] + _HEIGHT
    x2, y2 = parent[0] + _WIDTH / 2, parent[1]
    bend = max((y2 - y1) / 2, 12)
    return (
        f'<path d="M{x1:.1f} {y1:.1f}C{x1:.1f} {y1 + bend:.1f} {x2:.1f} {y2 - bend:.1f} '
        f'{x2:.1f} {y2:.1f}" style="fill:none;stroke:{_MUTED};stroke-opacity:.55;'
        'stroke-width:1.4"/>'
    )


def _stub(child: tuple[float, float]) -> str:
    """A short broken line: the parents are among those that are not drawn."""
    return (
        f'<path d="M{child[0] + _WIDTH / 2:.1f} {child[1] + _HEIGHT:.1f}v22" '
        f'style="stroke:{_MUTED};stroke-width:1.6;stroke-dasharray:3 4"/>'
    )


def _ellipsis(x: float, y: float, hidden: int) -> str:
    words = f"{hidden} earlier ancestor{'s' if hidden > 1 else ''}"
    return (
        f'<g><rect x="{x:.1f}" y="{y + 18:.1f}" width="{_WIDTH}" height="{_HEIGHT - 36}" rx="19" '
        f'style="fill:{_SURFACE};stroke:{_MUTED};stroke-dasharray:4 4"/>'
        f'<path d="M{x + _WIDTH / 2:.1f} {y + _HEIGHT - 18:.1f}v18" '
        f'style="stroke:{_MUTED};stroke-opacity:.55;stroke-width:1.4"/>'
        + _text(
            x + _WIDTH / 2,
            y + _HEIGHT / 2 + 4,
            words,
            f'text-anchor="middle" font-size="11" style="fill:{_MUTED}"',
        )
        + "</g>"
    )


def _box(who: Ancestor, place: tuple[float, float], tasks: Sequence[str], is_member: bool) -> str:
    x, y = place
    measured = [task for task in tasks if task in who.scores]
    tooltip = [who.candidate, who.operator, *(f"{t} {who.scores[t]:.3f}" for t in measured)]
    stroke = _ACCENT if is_member or who.expert else _LINE
    weight = 2.5 if is_member else 1.4
    head = who.expert or who.candidate
    kind = "expert" if who.expert else who.operator
    if who.generation is not None and not who.expert:
        kind = f"g{who.generation} · {kind}" if kind else f"generation {who.generation}"
    return (
        f"<g><title>{escape(_clean(chr(10).join(part for part in tooltip if part)))}</title>"
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{_WIDTH}" height="{_HEIGHT}" rx="8" '
        f'style="fill:{_SURFACE};stroke:{stroke};stroke-width:{weight}"/>'
        + _text(
            x + 10,
            y + 18,
            shortened(head, 19),
            f'font-size="12" font-weight="600" style="fill:{_INK}"',
        )
        + "".join(
            _text(x + 10, y + 32 + 12 * line, words, f'font-size="9.5" style="fill:{_MUTED}"')
            for line, words in enumerate(_two_lines(kind))
        )
        + _bars(who, (x + 10, y + 51), measured)
        + "</g>"
    )


def _two_lines(text: str, letters: int = 26) -> list[str]:
    """The text broken at a space where it needs two lines, shortened where it needs more."""
    if len(text) <= letters:
        return [text]
    split = text.rfind(" ", 0, letters + 1)
    split = split if split > 0 else letters
    return [text[:split].strip(" ,"), shortened(text[split:].strip(), letters)]


def _bars(who: Ancestor, place: tuple[float, float], measured: Sequence[str]) -> str:
    """The scores: a bar and a number for each task where they fit, else their mean."""
    x, y = place
    if not measured:
        return ""
    room = _WIDTH - 20
    values = [(shortened(task, 8), who.scores[task]) for task in measured]
    if len(values) > _MOST_BARS:
        mean = sum(value for _, value in values) / len(values)
        values = [(f"mean of {len(values)} tasks", mean)]
    step = room / len(values)
    parts = []
    for index, (label, value) in enumerate(values):
        left = x + index * step
        full = step - 5
        filled = full * min(max(value, 0.0), 1.0)
        if step > 28:
            words = f"{value:.2f}"
            parts.append(_text(left, y + 10, words, f'font-size="9.5" style="fill:{_INK}"'))
            small = f'font-size="7.5" style="fill:{_MUTED}"'
            letters = max(3, int(full / 4.6))
            parts.append(_text(left, y + 29, shortened(label, letters), small))
        parts.append(
            f'<rect x="{left:.1f}" y="{y + 14:.1f}" width="{full:.1f}" height="5" rx="2.5" '
            f'style="fill:{_LINE}"/><rect x="{left:.1f}" y="{y + 14:.1f}" width="{filled:.1f}" '
            f'height="5" rx="2.5" style="fill:{_ACCENT}"/>'
        )
    return "".join(parts)
