"""Candidates of different qualities give the same archive in whatever order they are offered."""

from hypothesis import assume, given
from hypothesis import strategies as st

from cycleqd.evolution.archive import make_archives
from tests.strategies import axes, members, task_names


@given(st.data(), st.integers(1, 4))
def test_any_order_gives_the_same_archives(data, tasks):
    drawn, offered = data.draw(axes(tasks)), data.draw(members(tasks))
    for task in task_names(tasks):
        assume(len({m.scores[task] for m in offered}) == len(offered))
    shuffled = data.draw(st.permutations(offered))
    one, other = make_archives(drawn), make_archives(drawn)
    for task in one:
        for m in offered:
            one[task].offer(m)
        for m in shuffled:
            other[task].offer(m)
    assert one == other
    assert {t: a.elites() for t, a in one.items()} == {t: a.elites() for t, a in other.items()}
    assert {t: a.qd_score for t, a in one.items()} == {t: a.qd_score for t, a in other.items()}
