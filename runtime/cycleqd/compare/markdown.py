"""``compare.md``: the comparison as tables that people read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from cycleqd.compare.documents import (
    ComparisonDocument,
    MethodRow,
    MethodScores,
    RunRow,
    SwarmScores,
)

_CHOICES: tuple[tuple[str, Callable[[MethodRow], MethodScores | None]], ...] = (
    ("balanced", lambda method: method.balanced),
    ("aggregate", lambda method: method.aggregate),
)
"""The models that a run puts forward."""

_MOST_SHOWN = 11
"""Generations in a cell."""

_SWARM = ("members", "preferred", "QD score", "coverage", "hypervolume")


def markdown_of(document: ComparisonDocument) -> str:
    """The whole page."""
    sections = [_head(document), _held_out(document), _differences(document), _steps(document)]
    sections += [_swarms(document), _verified(document), _runs(document)]
    return "\n".join(line for section in sections for line in section)


def _head(document: ComparisonDocument) -> Iterator[str]:
    items = ", ".join(f"{count} of {task}" for task, count in document.items.items())
    seeds = ", ".join(map(str, document.seeds))
    yield "# Comparison"
    yield ""
    yield f"Seeds: {seeds}. Held-out items: {items}. Compared with: {document.methods[0].name}."
    yield ""
    yield "![Best balanced search score against cost](compare.png)"
    yield ""


def _held_out(document: ComparisonDocument) -> Iterator[str]:
    """The paper's table."""
    first = document.methods[0].name
    yield "## Held-out scores"
    yield ""
    rows = [
        [
            reference.name,
            "",
            *(f"{reference.scores[task]:.3f}" for task in document.tasks),
            f"{reference.mean:.3f} ± {reference.error:.3f}",
            "",
            f"{reference.min:.3f}",
            _signed(reference.gain, reference.gain_error),
        ]
        for reference in document.references
    ]
    for method in document.methods:
        for choice, of in _CHOICES:
            if (found := of(method)) is not None:
                rows.append(
                    [
                        f"**{method.name}**, {choice}",
                        str(_runs_of(document, method.name, choice)),
                        *(f"{found.scores[task]:.3f}" for task in document.tasks),
                        f"{found.mean:.3f} ± {found.error:.3f}",
                        f"{found.lowest:.3f} to {found.highest:.3f}",
                        f"{found.min:.3f}",
                        _signed(found.gain, found.gain_error),
                    ]
                )
    columns = ["model", "runs", *document.tasks, "mean", "seeds", "min", f"against {first}"]
    yield from _table(columns, rows)
    yield ""
    yield (
        "*balanced*: of each run the member of highest geometric mean on the search items, where "
        "some are kept out of tuning on these; *aggregate*: the merge of several members that "
        "`aggregate.method` makes. *mean* is over tasks and seeds, ± its "
        "standard error over items; *seeds*: from the lowest to the highest mean of a run; *min*: "
        "mean over seeds of the weakest task. Differences are paired by item, ± their standard "
        "error over items, balanced with balanced and aggregate with aggregate; the references are "
        "compared with the balanced members."
    )
    yield ""


def _differences(document: ComparisonDocument) -> Iterator[str]:
    """The same table as differences to the first manifest."""
    first, *others = document.methods
    if not others:
        return
    yield f"## Differences to {first.name}"
    yield ""
    yield from _difference_table([(other.name, other, first) for other in others], document.tasks)
    yield ""
    yield (
        "*over seeds*: the standard error of Δ mean when runs of one seed are paired, none with a "
        "single seed; items and seeds both leave an error, so believe neither alone. *Δ QD score*, "
        "*Δ coverage* and *Δ hypervolume* are of the archives on the search items; "
        "*worker-seconds* are those of the search, in percent."
    )
    yield ""


def _steps(document: ComparisonDocument) -> Iterator[str]:
    """Each manifest against the one before it, as in an ablation."""
    if not document.steps:
        return
    yield "## Steps"
    yield ""
    pairs = zip(document.methods, document.steps, strict=False)
    yield from _difference_table(
        [(f"{step.name} after {before.name}", step, before) for before, step in pairs],
        document.tasks,
    )
    yield ""
    yield "Each manifest against the one before it; columns as above."
    yield ""


def _difference_table(
    pairs: Sequence[tuple[str, MethodRow, MethodRow]], tasks: Sequence[str]
) -> Iterator[str]:
    """One line for each model of each pair.

    Args:
        pairs: a label, a manifest whose gains are those over the other, and that other one.
        tasks: in their order.
    """
    rows = []
    for label, method, other in pairs:
        for choice, of in _CHOICES:
            mine, theirs = of(method), of(other)
            if mine is None or theirs is None:
                continue
            rows.append(
                [
                    f"**{label}**, {choice}",
                    *(f"{mine.scores[t] - theirs.scores[t]:+.3f}" for t in tasks),
                    _signed(mine.gain, mine.gain_error),
                    "" if mine.gain_seed_error is None else f"± {mine.gain_seed_error:.3f}",
                    f"{mine.min - theirs.min:+.3f}",
                    *_swarm_differences(method, other),
                ]
            )
    columns = ["model", *(f"Δ {task}" for task in tasks), "Δ mean", "over seeds", "Δ min"]
    columns += ["Δ QD score", "Δ coverage", "Δ hypervolume", "worker-seconds"]
    yield from _table(columns, rows)


def _swarm_differences(method: MethodRow, first: MethodRow) -> list[str]:
    cost = f"{100 * (method.seconds / first.seconds - 1):+.0f} %" if first.seconds else ""
    return [
        f"{method.qd_score - first.qd_score:+.2f}",
        f"{100 * (method.coverage - first.coverage):+.1f} pp",
        f"{method.hypervolume - first.hypervolume:+.3f}",
        cost,
    ]


def _swarms(document: ComparisonDocument) -> Iterator[str]:
    """What the archives hold and cost."""
    yield "## Archives"
    yield ""
    held_out = any(method.held_out is not None for method in document.methods)
    columns = ["manifest", *_SWARM, "evaluations", "worker-seconds"]
    columns += [f"held-out {name}" for name in _SWARM] if held_out else []
    rows = [
        [
            f"**{method.name}**",
            *_swarm_cells(method),
            f"{method.evaluations:.0f}",
            f"{method.seconds:.0f}",
            *(_swarm_cells(method.held_out) if held_out else ()),
        ]
        for method in document.methods
    ]
    yield from _table(columns, rows)
    yield ""
    yield (
        "Means over seeds, of all archives together. *preferred*: members that are the best for "
        "some weighting of the tasks; *QD score*: sum of the elites' qualities; *coverage*: share "
        "of cells that hold an elite; *hypervolume*: of all members' scores. They are on the "
        "search items, on which members were chosen, so they flatter."
    )
    if held_out:
        yield (
            "Those headed *held-out* are of the same members in archives filled with their "
            "held-out scores."
        )
    yield ""


def _swarm_cells(swarm: SwarmScores | MethodRow | None) -> list[str]:
    if swarm is None:
        return ["" for _ in _SWARM]
    return [
        f"{swarm.members:.1f}",
        f"{swarm.preferred:.1f}",
        f"{swarm.qd_score:.2f}",
        f"{swarm.coverage:.1%}",
        f"{swarm.hypervolume:.3f}",
    ]


def _verified(document: ComparisonDocument) -> Iterator[str]:
    """How many search items somebody has proved to solve as generations went by."""
    told = [(m.name, m.verified) for m in document.methods if m.verified is not None]
    if not told:
        return
    yield "## Verified answers"
    yield ""
    rows = [
        [
            f"**{name}**",
            f"{solved[0]:.1f}",
            f"{solved[-1]:.1f}",
            f"{solved[-1] - solved[0]:.1f}",
            ", ".join(f"{solved[generation]:.1f}" for generation in _few(len(solved))),
            f"{len(solved) - 1}",
        ]
        for name, solved in told
    ]
    columns = ["manifest", "by experts", "at the end", "first by children", "by generation"]
    yield from _table([*columns, "generations"], rows)
    yield ""
    yield (
        "Search items of all tasks that somebody has solved, means over seeds; *first by "
        "children*: those that no expert solves; *by generation*: from the experts on, at most "
        f"{_MOST_SHOWN} of them, evenly chosen."
    )
    yield ""


def _few(count: int) -> list[int]:
    """Numbers from 0 to below ``count``, first and last among them."""
    if count <= _MOST_SHOWN:
        return list(range(count))
    return [place * (count - 1) // (_MOST_SHOWN - 1) for place in range(_MOST_SHOWN)]


def _runs(document: ComparisonDocument) -> Iterator[str]:
    yield "## Runs"
    yield ""
    rows = [
        [
            row.name,
            str(row.seed),
            choice,
            model.candidate,
            *(f"{model.scores[task]:.3f}" for task in document.tasks),
            f"{model.mean:.3f}",
            f"{model.min:.3f}",
            f"{row.evaluations}",
            f"{row.seconds:.0f}",
        ]
        for row in document.rows
        for choice, model in (("balanced", row.balanced), ("aggregate", row.aggregate))
        if model is not None
    ]
    columns = ["manifest", "seed", "model", "candidate", *document.tasks, "mean", "min"]
    yield from _table([*columns, "evaluations", "worker-seconds"], rows)
    yield ""


def _runs_of(document: ComparisonDocument, name: str, choice: str) -> int:
    """How many of a manifest's runs have such a model."""

    def has(row: RunRow) -> bool:
        return (row.balanced if choice == "balanced" else row.aggregate) is not None

    return sum(row.name == name and has(row) for row in document.rows)


def _signed(value: float | None, error: float | None) -> str:
    return "" if value is None or error is None else f"{value:+.3f} ± {error:.3f}"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A Markdown table, padded so that it reads well as plain text too."""
    widths = [max(len(line[i]) for line in (columns, *rows)) for i in range(len(columns))]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |"

    yield line(columns)
    rules = ["-" * width if i == 0 else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
    yield f"| {' | '.join(rules)} |"
    yield from map(line, rows)
