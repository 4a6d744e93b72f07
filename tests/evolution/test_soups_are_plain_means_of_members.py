"""With ``crossover.soup`` a share of the children are plain means of several members."""

from __future__ import annotations

import numpy as np
import pytest

from cycleqd.evolution.archive import Member, make_archives
from cycleqd.evolution.front import balance, members_of
from cycleqd.evolution.soups import soup_of, soup_probabilities
from cycleqd.evolution.strategies import make_strategy
from cycleqd.manifest.evolution import Soup
from tests.evolution.runs import LAYOUT, TASKS, commits, genome_of, spec

COMMIT = commits(4)[-1]
ARCHIVES = COMMIT.state.archives
MEMBERS = members_of(ARCHIVES)
FREE = {"crossover": {"method": "Line"}, "mutation": {"method": "None"}}


def with_soup(share: str, members: int = 3) -> dict[str, object]:
    crossover = {"method": "Line", "soup": {"share": share, "members": members}}
    return {"crossover": crossover, "mutation": {"method": "None"}}


def proposals(evolution: dict[str, object], count: int = 60):
    strategy = make_strategy(spec(**evolution), LAYOUT)
    return [strategy.propose(number, COMMIT.state, genome_of) for number in range(count)]


def test_a_child_is_the_mean_of_its_parents() -> None:
    found = [p for p in proposals(with_soup("1")) if p is not None]
    assert {len(p.parents) for p in found} == {3}
    for proposal in found[:9]:
        assert len(set(proposal.parents)) == 3
        expected = np.mean([genome_of(p).scale.astype(float) for p in proposal.parents], axis=0)
        assert proposal.genome.scale == pytest.approx(expected, abs=1e-6)
        assert proposal.focus is None
        assert set(proposal.parents) <= {member.candidate for member in MEMBERS}


def test_their_share_is_that_of_the_manifest_and_the_others_stay_as_they_are() -> None:
    without, some = proposals(FREE, 400), proposals(with_soup("0.3"), 400)
    soups = [p for p in some if p is not None and len(p.parents) == 3]
    assert 0.3 - 3 * 0.023 < len(soups) / 400 < 0.3 + 3 * 0.023
    for before, after in zip(without, some, strict=True):
        assert before is not None
        assert after is not None
        if len(after.parents) == 2:
            assert after.genome.to_bytes() == before.genome.to_bytes()


def test_tuned_children_are_no_soups() -> None:
    tuned = {**with_soup("1"), "tune": {"share": "0.5"}}
    found = proposals(tuned)
    assert {(p.tuning is None, len(p.parents)) for p in found if p is not None} == {
        (True, 3),
        (False, 2),
    }


def test_members_are_drawn_once_each_by_the_softmax_of_their_balance() -> None:
    weights = soup_probabilities(MEMBERS, 0.05)
    best, second = MEMBERS[0], MEMBERS[1]
    gap = balance(best.scores)[0] - balance(second.scores)[0]
    assert weights[0] / weights[1] == pytest.approx(np.exp(gap / 0.05))
    soup = Soup(share=1.0, members=2)
    firsts = [soup_of(ARCHIVES, soup, seed=0, number=n)[0].candidate for n in range(3000)]
    for member, weight in zip(MEMBERS, weights, strict=True):
        assert abs(firsts.count(member.candidate) / 3000 - weight) < 4 * (0.25 / 3000) ** 0.5
    everyone = soup_of(ARCHIVES, Soup(share=1.0, members=32, temperature=9.0), seed=0, number=0)
    assert len({member.candidate for member in everyone}) == min(32, len(MEMBERS))


def test_what_nobody_was_trained_on_decides_who_goes_in() -> None:
    by_heart = Member("c1", dict.fromkeys(TASKS, 0.9), dict.fromkeys(TASKS, 0.4))
    learned = Member("c2", dict.fromkeys(TASKS, 0.8), dict.fromkeys(TASKS, 0.7))
    assert soup_probabilities([learned, by_heart], 0.05)[0] == pytest.approx(1.0, abs=0.01)


def test_one_member_makes_no_soup() -> None:
    alone = make_archives(COMMIT.axes)
    for archive in alone.values():
        archive.offer(MEMBERS[0])
    assert soup_of(alone, Soup(share=1.0), seed=0, number=1) == []
