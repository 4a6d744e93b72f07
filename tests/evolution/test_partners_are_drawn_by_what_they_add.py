"""With ``partner: Attraction`` a second parent is drawn by the items that it adds to the first."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cycleqd.evolution.archive import Axis, Member, make_archives
from cycleqd.evolution.attraction import attraction
from cycleqd.evolution.rng import stream
from cycleqd.evolution.search import ask
from cycleqd.evolution.selection import draw_parents
from cycleqd.evolution.strategies import Told, make_strategy
from cycleqd.manifest.evolution import Selection
from tests.evolution.runs import LAYOUT, commits, genome_of, spec
from tests.strategies import task_names

DRAWS = 8000
CHI_SQUARE_AT_1E_4 = 31.8  # 8 degrees of freedom; seeds are fixed
ELITE, ATTRACTION = Selection(), Selection(partner="Attraction")
# Item 0 of a is solved by three, item 1 by two, item 2 by one, item 3 by nobody.
FIRST = {"a": "1000", "b": "10"}
OTHERS = [{"a": "1100", "b": "01"}, {"a": "0110", "b": "10"}, {"a": "1000", "b": "10"}]


@st.composite
def outcomes(draw):
    """Of two to six elites on one to four tasks, each with a number of items of its own."""
    elites, tasks = draw(st.integers(2, 6)), task_names(draw(st.integers(1, 4)))
    lengths = [draw(st.integers(1, 12)) for _ in tasks]
    marks = [[draw(st.text("01-", min_size=n, max_size=n)) for n in lengths] for _ in range(elites)]
    return [dict(zip(tasks, row, strict=True)) for row in marks]


def archive_of_four():
    archive = make_archives([Axis(name, 0.0, 1.0, 4) for name in "ab"])["a"]
    for number, quality in enumerate((0.2, 0.5, 0.5, 0.9)):
        archive.offer(Member(str(number), {"a": quality, "b": (number + 0.5) / 4}))
    return archive


def drawn(archive, selection, known, count):
    """Indices of the parents of so many candidates."""
    pairs = []
    for number in range(count):
        lot = draw_parents(archive, selection, stream(1, number, "selection"), lambda: known)
        pairs.append(tuple(int(member.candidate) for member in lot))
    return pairs


def test_by_hand():
    assert attraction(FIRST, OTHERS).tolist() == [0.5 / 4 + 1 / 2, (0.5 + 1) / 4, 0.0]
    assert attraction(OTHERS[2], [OTHERS[1], FIRST]).tolist() == [2 / 4, 0.0]
    assert attraction(FIRST, []).tolist() == []


def test_items_that_were_not_evaluated_are_not_solved():
    unknown = [{"a": "11--", "b": "-1"}, *OTHERS[1:]]
    assert attraction(FIRST, unknown).tolist() == attraction(FIRST, OTHERS).tolist()
    assert attraction({}, [{"a": "1-"}, {}]).tolist() == [0.5, 0.0]


@given(outcomes(), st.randoms(use_true_random=False))
def test_order_of_items_tasks_and_elites_does_not_matter(elites, random):
    places = list(range(1, len(elites)))
    random.shuffle(places)
    tasks = list(elites[0])
    orders = {task: list(range(len(elites[0][task]))) for task in tasks}
    for order in (tasks, *orders.values()):
        random.shuffle(order)
    shuffled = [
        {task: "".join(elites[place][task][item] for item in orders[task]) for task in tasks}
        for place in (0, *places)
    ]
    before, after = attraction(elites[0], elites[1:]), attraction(shuffled[0], shuffled[1:])
    assert after.tolist() == [before[place - 1] for place in places]


@given(outcomes(), st.integers(2, 5))
def test_a_task_of_more_items_weighs_no_more(elites, times):
    first, *others = elites
    task = next(iter(first))
    longer = [{**one, task: one[task] * times} for one in elites]
    expected = attraction(first, others)
    assert attraction(longer[0], longer[1:]) == pytest.approx(expected, rel=1e-12)


@given(outcomes())
def test_only_what_the_first_parent_lacks_attracts(elites):
    first, *others = elites
    for added, other in zip(attraction(first, others), others, strict=True):
        pairs = [(a, b) for task in first for a, b in zip(first[task], other[task], strict=True)]
        assert (added > 0) == any(a != "1" and b == "1" for a, b in pairs)
    assert attraction(first, [first]).tolist() == [0.0]


def test_frequencies_are_proportional_and_the_first_parent_stays():
    archive = archive_of_four()
    solved = [{"a": "1100", "b": "10"}, {"a": "0110", "b": "11"}, {"a": "1011", "b": "00"}]
    solved.append({"a": "0001", "b": "01"})
    known = {str(number): one for number, one in enumerate(solved)}
    pairs = drawn(archive, ATTRACTION, known, DRAWS)
    assert [one for one, _ in pairs] == [one for one, _ in drawn(archive, ELITE, {}, DRAWS)]
    total = 0.0
    for first in range(4):
        others = [number for number in range(4) if number != first]
        share = attraction(solved[first], [solved[number] for number in others])
        assert (share > 0).all()
        seen = np.array([pairs.count((first, number)) for number in others])
        expected = share / share.sum() * seen.sum()
        total += ((seen - expected) ** 2 / expected).sum()
    assert total < CHI_SQUARE_AT_1E_4


def test_where_nobody_adds_anything_elites_are_drawn_as_ever():
    archive = archive_of_four()
    same = {str(number): FIRST for number in range(4)}
    assert drawn(archive, ATTRACTION, same, 200) == drawn(archive, ELITE, {}, 200)


def test_a_strategy_reads_the_outcomes_of_the_generation_that_it_is_told():
    run, state = spec(selection={"partner": "Attraction"}), commits(4)[-1].state
    archives = state.archives.values()
    members = {m.candidate for archive in archives for m in archive.cells.values()}
    able = {task: archive.ranked()[-1].candidate for task, archive in state.archives.items()}

    def told():
        return [
            Told(one, {}, {"sql": "0001" if one in able.values() else "0010"})
            for one in sorted(members)
        ]

    def parents(state):
        return [p.parents for p in ask(make_strategy(run, LAYOUT), state, range(30), genome_of)]

    paired = parents(replace(state, told=told))
    assert all((one in able.values()) != (two in able.values()) for one, two in paired)
    assert paired == parents(replace(state, told=told))
    with pytest.raises(KeyError):
        parents(state)
