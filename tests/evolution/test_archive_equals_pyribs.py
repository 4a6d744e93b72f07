"""Away from bin edges, where the two conventions differ, our archive is pyribs' GridArchive."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cycleqd.evolution.archive import Axis, Member, make_archives
from tests.servers.peers import PYTHON


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


@pytest.fixture(scope="module")
def peer():
    """Asks pyribs, which has an environment of its own."""
    script = Path(__file__).with_name("pyribs_peer.py")
    with subprocess.Popen(
        [PYTHON, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def ask(request):
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield ask
        process.stdin.close()
        assert process.wait(60) == 0


@settings(max_examples=40, deadline=None)
@given(problem=problems())
def test_same_cells_elites_and_statistics(peer, problem):
    axes, points = problem
    for quality, (task, archive) in enumerate(make_archives(axes).items()):
        others = [k for k in range(len(axes)) if k != quality]
        theirs = peer(
            {
                "dims": [axes[k].bins for k in others],
                "ranges": [(axes[k].lower, axes[k].upper) for k in others],
                "offers": [(point[quality], point[others].tolist()) for point in points],
            }
        )
        added = []
        for number, point in enumerate(points):
            scores = {axis.task: float(x) for axis, x in zip(axes, point, strict=True)}
            added.append(archive.offer(Member(str(number), scores)))
        assert [bool(ours) for ours in added] == theirs["added"]
        assert {tuple(cell): number for cell, number in theirs["cells"]} == {
            cell: int(m.candidate) for cell, m in archive.cells.items()
        }
        assert archive.task == task
        assert archive.coverage == pytest.approx(theirs["coverage"])
        assert archive.qd_score == pytest.approx(theirs["qd_score"])
        assert archive.best == pytest.approx(theirs["best"])
