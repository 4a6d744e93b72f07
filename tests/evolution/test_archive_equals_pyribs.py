"""Away from bin edges, where the two conventions differ, our archive is pyribs' GridArchive."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cycleqd.evolution.archive import Axis, Member, make_archives


@st.composite
def problems(draw):
    """Axes, and points whose every coordinate lies well inside a bin or outside the limits."""
    tasks = draw(st.integers(2, 4))
    axes, columns = [], []
    count = draw(st.integers(1, 40))
    for k in range(tasks):
        lower = draw(st.sampled_from([0.1, 0.25, 0.3]))
        axis = Axis(
            f"t{k}", lower, draw(st.sampled_from([0.7, 0.8, 0.95])), draw(st.integers(1, 6))
        )
        width = (axis.upper - axis.lower) / axis.bins
        inside = st.builds(
            lambda b, f, axis=axis, width=width: axis.lower + (b + f) * width,
            st.integers(0, axis.bins - 1),
            st.floats(0.05, 0.95),
        )
        outside = st.floats(0.0, axis.lower - 0.01) | st.floats(axis.upper + 0.01, 1.0)
        columns.append(draw(st.lists(inside | outside, min_size=count, max_size=count)))
        axes.append(axis)
    return tuple(axes), np.array(columns).T


@settings(max_examples=40, deadline=None)
@given(problems())
def test_same_cells_elites_and_statistics(problem):
    from ribs.archives import GridArchive  # brings torch along, which other tests need not wait for

    axes, points = problem
    for quality, (task, archive) in enumerate(make_archives(axes).items()):
        others = [k for k in range(len(axes)) if k != quality]
        theirs = GridArchive(
            solution_dim=1,
            dims=[axes[k].bins for k in others],
            ranges=[(axes[k].lower, axes[k].upper) for k in others],
            qd_score_offset=0.0,
        )
        for number, point in enumerate(points):
            scores = {axis.task: float(x) for axis, x in zip(axes, point, strict=True)}
            ours = archive.offer(Member(str(number), scores))
            status = theirs.add_single([number], point[quality], point[others])["status"]
            assert ours == bool(status)
        data = theirs.data(["solution", "objective", "index"])
        cells = theirs.int_to_grid_index(data["index"])
        assert {
            tuple(int(i) for i in cell): int(s[0])
            for cell, s in zip(cells, data["solution"], strict=True)
        } == {cell: int(m.candidate) for cell, m in archive.cells.items()}
        stats = theirs.stats
        assert archive.task == task
        assert archive.coverage == pytest.approx(stats.coverage)
        assert archive.qd_score == pytest.approx(stats.qd_score)
        assert archive.best == pytest.approx(stats.obj_max)
