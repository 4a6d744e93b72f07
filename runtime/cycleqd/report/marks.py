"""What the pictures of an archive share: titles, ticks and the experts' marks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from matplotlib import patheffects

from cycleqd.report.theme import Theme, shortened

if TYPE_CHECKING:
    import matplotlib as mpl
    from matplotlib.axes import Axes

    from cycleqd.report.data import ArchiveView, BehaviourAxis, ExpertPoint

NAMED_EXPERTS = 8
_LABELLED_BINS = 5


def title_of(archive: ArchiveView, meaning: str) -> str:
    """A title that fits: a long name stands alone, since the page says the rest."""
    name = shortened(archive.task)
    return f"{name}: {meaning}" if len(name) <= 16 else name


def label_bins(axis: mpl.axis.Axis, behaviour: BehaviourAxis) -> None:
    """Ranges of scores where they fit, else the scores at the edges."""
    edges = behaviour.edges
    if behaviour.bins <= _LABELLED_BINS:
        centres = [(low + high) / 2 for low, high in pairwise(edges)]
        labels = [f"{low:.2f}\N{EN DASH}{high:.2f}" for low, high in pairwise(edges)]
        if len(labels) > 1:
            labels[0], labels[-1] = f"≤ {edges[1]:.2f}", f"> {edges[-2]:.2f}"
        axis.set_ticks(centres, labels, fontsize=7.5 if behaviour.bins > 3 else None)
        return
    fewest = -(-behaviour.bins // 8)
    steps = [step for step in range(fewest, 2 * fewest + 1) if behaviour.bins % step == 0]
    ticks = list(edges[:: steps[0] if steps else fewest])
    digits = 2 if edges[-1] - edges[0] >= 0.01 * behaviour.bins else 3
    axis.set_ticks(ticks, [f"{tick:.{digits}f}" for tick in ticks])


def mark_experts(
    axes: Axes,
    across: BehaviourAxis,
    up: BehaviourAxis,
    experts: Sequence[ExpertPoint],
    *,
    small: bool,
) -> None:
    """A diamond at each expert's scores, with its name where there is room for names."""
    halo = [patheffects.withStroke(linewidth=2.5, foreground="#10151c")]
    for expert in experts:
        if across.task not in expert.scores or up.task not in expert.scores:
            continue
        x, y = _inside(across, expert.scores[across.task]), _inside(up, expert.scores[up.task])
        axes.plot(
            [x],
            [y],
            marker="D",
            markersize=3.5 if small else 6,
            color="#ffffff",
            markeredgecolor="#10151c",
            markeredgewidth=0.8 if small else 1.2,
            zorder=4,
        )
        if small or len(experts) > NAMED_EXPERTS:
            continue
        right = x > (across.edges[0] + across.edges[-1]) / 2
        top = y > (up.edges[0] + up.edges[-1]) / 2
        axes.annotate(
            shortened(expert.name, 18),
            (x, y),
            xytext=(-7 if right else 7, -3 if top else 5),
            textcoords="offset points",
            ha="right" if right else "left",
            va="top" if top else "bottom",
            fontsize=8,
            fontweight="bold",
            color="#ffffff",
            path_effects=halo,
            zorder=5,
        )


def _inside(axis: BehaviourAxis, score: float) -> float:
    """The score, moved a little inside the picture where it lies beyond the axis."""
    low, high = axis.edges[0], axis.edges[-1]
    margin = 0.02 * (high - low)
    return min(max(score, low + margin), high - margin)


def say_empty(axes: Axes, theme: Theme) -> None:
    """Words in place of cells."""
    axes.text(
        0.5, 0.5, "no elite yet", transform=axes.transAxes, ha="center", va="center",
        color=theme.muted, fontsize=11,
    )  # fmt: skip
