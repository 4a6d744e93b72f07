"""What a member has learned passes through crossovers, with a factor for each tensor."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cycleqd.evolution.combination import combine, tuned_genome
from cycleqd.evolution.crossover import cross
from cycleqd.evolution.genome import EXTENDED, FORMAT, ChildSVD, Genome, expert_genome
from cycleqd.evolution.mutation import mutate
from cycleqd.evolution.rng import stream
from cycleqd.manifest.evolution import Crossover, Mutation
from tests.evolution.dense import small_layout

LAYOUT = small_layout()
A, B = expert_genome(LAYOUT, "a"), expert_genome(LAYOUT, "b")
TENSORS = len(LAYOUT.tensors)


def format_of(genome: Genome) -> str:
    data = genome.to_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    found: str = json.loads(header["__metadata__"]["genome"])["format"]
    return found


def both(first: Genome, second: Genome) -> Genome:
    """The sum of two genomes."""
    return combine([(first, np.ones(TENSORS)), (second, np.ones(TENSORS))])


def test_it_is_added_in_full() -> None:
    tuned = tuned_genome(A, "c000004")
    assert tuned.adapters == ("c000004",)
    assert tuned.adapter_scale is not None
    assert tuned.adapter_scale.tolist() == [[1.0] * TENSORS]
    assert np.array_equal(tuned.scale, A.scale)
    assert not tuned.linear


def test_factors_follow_the_shares_of_each_tensor() -> None:
    share = np.array([0.25, 0.5, 1.0, -0.5, 2.0])
    first = tuned_genome(A, "c000004")
    second = both(tuned_genome(B, "c000002"), tuned_genome(B, "c000004"))
    child = combine([(first, share), (second, 1.0 - share)])
    assert child.adapters == ("c000002", "c000004")
    assert child.adapter_scale is not None
    assert child.adapter_scale == pytest.approx(np.array([1.0 - share, np.ones(TENSORS)]))


def test_a_tune_s_own_adapter_stands_in_place_of_all_others() -> None:
    parent = both(tuned_genome(A, "c000002"), tuned_genome(B, "c000004"))
    assert parent.adapters == ("c000002", "c000004")
    child = tuned_genome(parent, "c000007")
    assert child.adapters == ("c000007",)
    assert child.adapter_scale is not None
    assert child.adapter_scale.tolist() == [[1.0] * TENSORS]
    assert np.array_equal(child.scale, parent.scale)


def test_what_cancels_is_gone() -> None:
    whole = np.ones(TENSORS)
    child = combine([(tuned_genome(A, "c000004"), whole), (tuned_genome(B, "c000004"), -whole)])
    assert (child.adapters, child.adapter_scale) == ((), None)
    assert format_of(child) == FORMAT


@pytest.mark.parametrize("crossover", [{"granularity": "Block"}, {"method": "Line"}])
def test_crossovers_of_any_grain_take_them(crossover: dict[str, str]) -> None:
    settings = Crossover.model_validate(crossover)
    child = cross(tuned_genome(A, "c000004"), B, settings, stream(0, 1, "crossover"))
    plain = cross(A, B, settings, stream(0, 1, "crossover"))
    assert child.adapters == ("c000004",)
    assert np.array_equal(child.scale, plain.scale)
    assert child.adapter_scale is not None
    if settings.method == "Linear":
        # Its share in each tensor is that of the parent who has it, here the factor of A.
        assert child.adapter_scale[0] == pytest.approx(child.scale[LAYOUT.expert_index("a")])


def test_mutation_keeps_them() -> None:
    tuned = tuned_genome(A, "c000004")
    child = mutate(tuned, Mutation(), number=5, expert="a", stream=stream(0, 5, "mutation"))
    assert child.adapters == tuned.adapters
    assert child.adapter_scale is tuned.adapter_scale


def test_only_genomes_with_adapters_need_a_new_format() -> None:
    assert format_of(A) == FORMAT
    tuned = tuned_genome(A, "c000004")
    assert format_of(tuned) == EXTENDED
    old = tuned.to_bytes().replace(b"cycleqd-genome/2", b"cycleqd-genome/1")
    with pytest.raises(ValueError, match="cycleqd-genome/1"):
        Genome.from_bytes(LAYOUT, old)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot take an adapter of c000004"):
        tuned_genome(tuned_genome(A, "c000004"), "c000004")
    with pytest.raises(ValueError, match="cannot take an adapter of c000004"):
        tuned_genome(Genome(LAYOUT, A.scale, child_svd=ChildSVD(1, 0.1, None)), "c000004")
    row = np.ones((1, TENSORS), np.float32)
    for adapters, factors in (
        (("a",), None),
        ((), row),
        (("a",), row.astype(np.float64)),
        (("a",), row[:, 1:]),
        (("b", "a"), np.concatenate([row, row])),
        (("a", "a"), np.concatenate([row, row])),
    ):
        with pytest.raises(ValueError, match="adapter"):
            Genome(LAYOUT, A.scale, adapters=adapters, adapter_scale=factors)
    numbers = np.full((1, TENSORS), np.nan, np.float32)
    data = Genome(LAYOUT, A.scale, adapters=("a",), adapter_scale=numbers).to_bytes()
    with pytest.raises(ValueError, match="adapterScale holds numbers that are not finite"):
        Genome.from_bytes(LAYOUT, data)
