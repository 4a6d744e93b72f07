"""Merges without a search are a grid of factors of one term, which adds up and keeps its file."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cycleqd.evolution.combination import combine
from cycleqd.evolution.genome import EXTENDED, Genome, Merged, base_genome, expert_genome
from cycleqd.evolution.search import ask
from cycleqd.evolution.strategies import make_strategy
from cycleqd.evolution.strategies.task_arithmetic import van_der_corput
from tests.evolution.runs import LAYOUT, commits, genome_of, spec

STATE = commits(0)[0].state
WHOLE = np.ones(len(LAYOUT.tensors))


@pytest.mark.parametrize(
    ("strategy", "density", "largest"),
    [
        ("TIES", 0.2, 3.0),
        ("DARE", 0.5, 1.5),
        ("IsoC", None, 2.0),
        ("TSVM", None, 2.0),
        ("OPCM", None, 2.0),
    ],
)
def test_the_grid_is_that_of_task_arithmetic(strategy, density, largest):
    run = spec(strategy=strategy)
    for p in ask(make_strategy(run, LAYOUT), STATE, range(7), genome_of):
        assert p.genome.merged == (Merged(strategy, density, largest * van_der_corput(p.number)),)
        assert not p.genome.scale.any()
        assert not p.genome.linear


def test_density_and_range_are_the_manifest_s():
    run = spec(strategy="TIES", ties={"density": 0.1, "largest": 1.0})
    (only,) = ask(make_strategy(run, LAYOUT), STATE, [0], genome_of)
    assert only.genome.merged == (Merged("TIES", 0.1, 0.5),)


def merged(*terms):
    return Genome(LAYOUT, base_genome(LAYOUT).scale, merged=terms)


def test_terms_of_one_kind_add_up():
    first = merged(Merged("TIES", 0.2, 1.0), Merged("IsoC", None, 0.5))
    second = merged(Merged("TIES", 0.2, 0.5), Merged("TIES", 0.1, 1.0))
    child = combine([(first, 0.5 * WHOLE), (second, 2.0 * WHOLE)])
    assert child.merged == (
        Merged("IsoC", None, 0.25), Merged("TIES", 0.1, 2.0), Merged("TIES", 0.2, 1.5),
    )  # fmt: skip
    share = WHOLE.copy()
    share[0] = 0.5
    with pytest.raises(ValueError, match="one weight for the whole model"):
        combine([(first, share), (expert_genome(LAYOUT, "a"), 1 - share)])


def test_the_file_is_of_the_extended_format():
    data = merged(Merged("TSVM", None, 1.0)).to_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert json.loads(header["__metadata__"]["genome"])["format"] == EXTENDED
    with pytest.raises(ValueError, match="no merge method"):
        Genome.from_bytes(LAYOUT, data.replace(b"TSVM", b"TSVN"))


@pytest.mark.parametrize(
    ("method", "density"), [("TIES", None), ("DARE", 0.0), ("TIES", 1.5), ("IsoC", 0.5)]
)
def test_densities_that_make_no_sense_are_refused(method, density):
    with pytest.raises(ValueError, match="density"):
        Merged(method, density, 1.0)
