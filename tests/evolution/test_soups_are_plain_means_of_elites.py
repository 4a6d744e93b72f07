"""With ``crossover.soup`` a share of the children are plain means of several elites."""

from __future__ import annotations

import numpy as np
import pytest

from cycleqd.evolution.rng import stream
from cycleqd.evolution.selection import draw_elites, probabilities
from cycleqd.evolution.soups import soup_of
from cycleqd.evolution.strategies import make_strategy
from cycleqd.manifest.evolution import Selection, Soup
from tests.evolution.runs import LAYOUT, commits, genome_of, spec

COMMIT = commits(4)[-1]
ARCHIVE = COMMIT.state.archives["sql"]
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
        assert proposal.focus is not None
        elites = {m.candidate for m in COMMIT.state.archives[proposal.focus].cells.values()}
        assert set(proposal.parents) <= elites


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


def test_elites_are_drawn_once_each_by_their_probabilities() -> None:
    selection = Selection()
    weights = probabilities(ARCHIVE, selection)
    names = [member.candidate for _, member in ARCHIVE.elites()]
    firsts = dict.fromkeys(names, 0)
    for number in range(3000):
        drawn = draw_elites(ARCHIVE, selection, 4, stream(0, number, "soup"))
        assert len({member.candidate for member in drawn}) == 4
        firsts[drawn[0].candidate] += 1
    expected = dict(zip(names, weights, strict=True))
    error = max(abs(firsts[name] / 3000 - expected[name]) for name in names)
    assert error < 4 * (0.25 / 3000) ** 0.5
    everyone = draw_elites(ARCHIVE, selection, 10_000, stream(0, 0, "soup"))
    assert sorted(member.candidate for member in everyone) == sorted(names)


def test_one_elite_makes_no_soup() -> None:
    alone = ARCHIVE.copy()
    cell = min(alone.cells)
    alone.cells = {cell: alone.cells[cell]}
    assert soup_of(alone, Soup(share=1.0), Selection(), seed=0, number=1) == []
