"""Hypothesis strategies of the project's own values."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cycleqd.evolution.archive import Axis, Member
from cycleqd.evolution.genome import (
    ChildSVD,
    Dense,
    Genome,
    GenomeLayout,
    Merged,
    Noise,
    TensorSlot,
)

scores = st.floats(0.0, 1.0, allow_subnormal=False)
counts = st.integers(0, 2**40)
names = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=12)


def task_names(count: int) -> tuple[str, ...]:
    """Names of so many tasks; not in alphabetic order, which must not matter."""
    return tuple(f"task-{(7 * k + 3) % 11}" for k in range(count))


@st.composite
def axes(draw: st.DrawFn, tasks: int, max_bins: int = 8) -> tuple[Axis, ...]:
    """One axis for each task."""
    made = []
    for name in task_names(tasks):
        lower = draw(st.floats(0.0, 0.7))
        made.append(
            Axis(name, lower, lower + draw(st.floats(0.1, 0.9)), draw(st.integers(1, max_bins)))
        )
    return tuple(made)


@st.composite
def members(draw: st.DrawFn, tasks: int, max_size: int = 25) -> list[Member]:
    """Evaluated candidates, each with an id of its own."""
    rows = draw(st.lists(st.tuples(*[scores] * tasks), max_size=max_size))
    return [
        Member(f"c{number:06d}", dict(zip(task_names(tasks), row, strict=True)))
        for number, row in enumerate(rows)
    ]


@st.composite
def layouts(draw: st.DrawFn) -> GenomeLayout:
    """Small layouts: vectors and matrices of full or truncated rank."""
    slots = []
    for number in range(draw(st.integers(1, 5))):
        shape = draw(st.sampled_from([(3,), (4, 3), (2, 5), (6, 6)]))
        rank = 0 if len(shape) == 1 else draw(st.integers(0, min(shape)))
        slots.append(TensorSlot(f"t{number}", shape, rank, block=number // 2))
    experts = tuple(f"e{number}" for number in range(draw(st.integers(1, 4))))
    return GenomeLayout(experts, tuple(slots))


@st.composite
def genomes(draw: st.DrawFn, layout: GenomeLayout | None = None) -> Genome:
    """Genomes with and without gains and terms."""
    layout = layout or draw(layouts())
    numbers = st.floats(-4.0, 4.0, width=32)
    experts = len(layout.experts)
    scale = draw(hnp.arrays(np.float32, (experts, len(layout.tensors)), elements=numbers))
    gain = None
    if draw(st.booleans()):
        gain = draw(hnp.arrays(np.float32, (experts, layout.directions), elements=numbers))
    noise = st.builds(Noise, counts, st.floats(0.0, 1.0), st.floats(-2.0, 2.0))
    dense = st.builds(Dense, names, st.floats(-2.0, 2.0))
    child = st.builds(ChildSVD, counts, st.floats(0.0, 1.0), st.none() | st.integers(1, 9))
    merged = st.builds(
        Merged, st.sampled_from(["TIES", "DARE"]), st.floats(0.01, 1.0), st.floats(-2.0, 2.0)
    ) | st.builds(
        Merged, st.sampled_from(["IsoC", "TSVM", "OPCM"]), st.none(), st.floats(-2.0, 2.0)
    )
    adapters = tuple(sorted(draw(st.sets(names, max_size=2))))
    factors = None
    if adapters:
        shape = (len(adapters), len(layout.tensors))
        factors = draw(hnp.arrays(np.float32, shape, elements=numbers))
    return Genome(
        layout,
        scale,
        gain,
        adapters=adapters,
        adapter_scale=factors,
        noise=tuple(draw(st.lists(noise, max_size=2))),
        dense=tuple(draw(st.lists(dense, max_size=2))),
        child_svd=draw(st.none() | child),
        merged=tuple(draw(st.lists(merged, max_size=2))),
    )
