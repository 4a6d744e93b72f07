"""The weights of a combination of genomes are the combination of their weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cycleqd.evolution.combination import combine
from cycleqd.evolution.genome import Genome, Noise, scaled_experts_genome
from tests.weights.lineage import Family, add_gain, draw

pytestmark = pytest.mark.runtime

_factor = st.floats(-2, 2, width=32)
_genomes = st.tuples(st.lists(_factor, min_size=3, max_size=3), st.integers(0, 5), st.booleans())


def _genome(family: Family, spec: tuple[list[float], int, bool]) -> Genome:
    factors, seed, noisy = spec
    genome = scaled_experts_genome(family.layout, factors)
    if seed:
        draws = draw(family.layout, np.random.default_rng(seed))
        genome = add_gain(genome, seed % 3, family.layout, draws)
    noise = (Noise(seed, 0.01, 1.0),) if noisy else ()
    return Genome(family.layout, genome.scale, genome.gain, noise=noise)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(first=_genomes, second=_genomes, weight=st.floats(-1.5, 1.5))
def test_combination(
    exact: Family,
    first: tuple[list[float], int, bool],
    second: tuple[list[float], int, bool],
    weight: float,
) -> None:
    a, b = _genome(exact, first), _genome(exact, second)
    weights = np.full(len(exact.layout.tensors), weight)
    child = combine([(a, weights), (b, 1.0 - weights)])
    materializer = exact.materializer()
    made, x, y = (materializer.to_ram(genome) for genome in (child, a, b))
    for name, tensor in made.items():
        expected = weight * x[name].double() + (1 - weight) * y[name].double()
        size = float(expected.abs().max()) + 1.0
        torch.testing.assert_close(tensor.double(), expected, rtol=0, atol=2e-6 * size)
