"""A proposal is a function of spec, state and number: not of order, batch or repetition."""

from dataclasses import replace

import pytest

from cycleqd.evolution.search import Commit, as_told, ask, numbers_of, read_generation
from cycleqd.evolution.strategies import make_strategy
from cycleqd.manifest.registry import STRATEGIES
from tests.evolution.runs import (
    LAYOUT,
    TASKS,
    child_results,
    commits,
    expert_results,
    genome_of,
    spec,
)

MUTATIONS = ["ExpertSVD", "Gaussian", "ChildSVD", "None"]


def fingerprint(proposals):
    return {p.number: (p.genome.to_bytes(), p.focus, p.parents) for p in proposals}


def known():
    """All candidates up to generation 3."""
    lots = [expert_results(), *(child_results(generation) for generation in (1, 2, 3))]
    return [told for lot in lots for told in as_told(lot)]


def asked(run, state, numbers):
    return fingerprint(ask(make_strategy(run, LAYOUT), state, numbers, genome_of))


@pytest.mark.parametrize("strategy", STRATEGIES.names)
def test_order_and_batches_do_not_matter(strategy):
    run, state = spec(strategy=strategy), replace(commits(3)[-1].state, told=known)
    forward = asked(run, state, range(12))
    one_strategy = make_strategy(run, LAYOUT)
    backward = fingerprint(ask(one_strategy, state, reversed(range(12)), genome_of))
    single = {}
    for number in (5, 0, 11, 5, 3):
        single |= fingerprint(ask(one_strategy, state, [number], genome_of))
    assert forward == backward
    assert single.items() <= forward.items()


@pytest.mark.parametrize("mutation", MUTATIONS)
@pytest.mark.parametrize("method", ["Elite", "ReferenceElite", "Uniform"])
def test_a_state_read_back_from_its_document_asks_the_same(mutation, method):
    run = spec(mutation={"method": mutation}, selection={"method": method})
    commit = commits(4)[-1]
    again = Commit.from_document(commit.document(), TASKS)
    assert asked(run, commit.state, range(16)) == asked(run, again.state, range(16))


def test_asking_changes_no_state():
    commit = commits(3)[-1]
    before = commit.document().to_bytes()
    asked(spec(), commit.state, range(30))
    assert commit.document().to_bytes() == before


def test_seed_number_and_state_each_matter():
    early, late = commits(4)[1].state, commits(4)[4].state
    base = asked(spec(), late, range(6))
    assert len({genome for genome, _, _ in base.values()}) == 6
    for other in (asked(spec(seed=1), late, range(6)), asked(spec(), early, range(6))):
        assert all(base[n] != other[n] for n in range(6))


def test_parents_are_elites_of_the_archive_in_focus():
    state = commits(4)[-1].state
    for p in ask(make_strategy(spec(), LAYOUT), state, range(60), genome_of):
        ids = {m.candidate for m in state.archives[p.focus].cells.values()}
        assert set(p.parents) <= ids
        assert len(set(p.parents)) == 2


def test_generations_number_their_candidates_and_read_with_a_fixed_lag():
    run = spec(candidatesPerGeneration=5, pipelineDepth=3)
    numbers = [n for generation in range(1, 7) for n in numbers_of(generation, run)]
    assert numbers == list(range(30))
    assert [read_generation(g, run) for g in range(1, 8)] == [0, 0, 0, 1, 2, 3, 4]
    assert [read_generation(g, spec(pipelineDepth=1)) for g in (1, 2, 3)] == [0, 1, 2]
