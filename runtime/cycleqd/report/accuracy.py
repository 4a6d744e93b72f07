"""Held-out accuracy over the life of a run that has grown, a picture for each line of models."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from cycleqd.evolution.memory import average_accuracy
from cycleqd.report.drawing import drawing, png_of
from cycleqd.report.life import LINES, Line, answered, remaining
from cycleqd.report.theme import Theme, shortened
from cycleqd.run.timeline import Cost, Timeline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_NAMED = 12
_MOST_ARRIVALS_NAMED = 6
_LETTERS_OF_ALL_ARRIVALS = 40
"""More would run into each other."""


def draw_accuracy(life: Timeline, line: Line, theme: Theme) -> bytes:
    """The picture as PNG: a line a task, their mean, and when somebody joined."""
    named = min(len(life.tasks), _MOST_NAMED) + 1
    columns = 3 if max(map(len, life.tasks), default=0) <= 12 else 2
    with drawing(theme, 4.8, 3.0 + 0.22 * -(-named // columns)) as figure:
        axes = figure.subplots()
        for index, task in enumerate(life.tasks):
            found = [
                (step.generation, outcome.accuracy)
                for step in life.steps
                if (outcome := answered(step, line).get(task)) is not None
            ]
            colour, style = theme.series_style(index)
            axes.plot(
                [generation for generation, _ in found],
                [accuracy for _, accuracy in found],
                linewidth=1.6,
                label=shortened(task, 22) if index < _MOST_NAMED else None,
                marker="o",
                markersize=4,
                color=colour,
                linestyle=style,
            )
        _draw_mean(axes, life, line, theme)
        _draw_arrivals(axes, life.costs, theme)
        axes.set_title(f"Held-out accuracy, {LINES[line]}")
        axes.set_xlabel("after generation")
        axes.set_ylim(-0.03, 1.12)
        axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1])
        _label_steps(axes, [step.generation for step in life.steps])
        axes.grid(axis="y", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(length=0)
        axes.spines["left"].set_visible(False)
        figure.legend(loc="outside lower left", ncols=columns, fontsize=8, handlelength=1.6)
        return png_of(figure)


def _draw_mean(axes: Axes, life: Timeline, line: Line, theme: Theme) -> None:
    found = {step.generation: remaining(life, step, line) for step in life.steps}
    means = [(generation, average_accuracy(answers)) for generation, answers in found.items()]
    known = [(generation, mean) for generation, mean in means if mean is not None]
    axes.errorbar(
        [generation for generation, _ in known],
        [mean.value for _, mean in known],
        [mean.error for _, mean in known],
        linewidth=2.6,
        elinewidth=1.2,
        capsize=3,
        marker="s",
        markersize=5,
        label="mean of those there",
        color=theme.ink,
        zorder=3,
    )


def _draw_arrivals(axes: Axes, costs: Sequence[Cost], theme: Theme) -> None:
    """A line at each joining, with the names where there is room for them."""
    names = [shortened(", ".join(dict.fromkeys(_names(cost))), 18) for cost in costs]
    short = len(names) <= _MOST_ARRIVALS_NAMED and sum(map(len, names)) <= _LETTERS_OF_ALL_ARRIVALS
    for cost, name in zip(costs, names, strict=True):
        axes.axvline(cost.generation, color=theme.muted, linewidth=0.9, linestyle=":")
        if short:
            axes.annotate(
                name,
                (cost.generation, 1.045),
                xytext=(3, 0),
                textcoords="offset points",
                fontsize=7.5,
                color=theme.muted,
            )


def _names(cost: Cost) -> Sequence[str]:
    joined = (*cost.experts, *cost.tasks, *(f"items of {task}" for task in cost.items))
    return (*(f"+ {name}" for name in joined), *(f"- {name}" for name in cost.retired))


def _label_steps(axes: Axes, generations: Sequence[int]) -> None:
    """Ticks at the steps where they are few; matplotlib's own where they are many."""
    first, last = generations[0], generations[-1]
    gaps = [b - a for a, b in pairwise(generations)]
    if len(generations) <= 10 and all(12 * gap >= last - first for gap in gaps):
        axes.set_xticks(generations)
    if first == last:
        axes.set_xlim(first - 1, last + 1)
