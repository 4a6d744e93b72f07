"""CMA-ES (Hansen, 2016) as a replay: what it asks is a function of all that it was told.

The distribution is that of the library ``cmaes``. A plan begins it anew from the run's seed and
repeats everything up to its generation in the order in which it happened: the lots of candidates
that a generation could know of are told, then its own are asked. So nothing but results is stored,
and a coordinator after a crash asks the same.

With a ``pipelineDepth`` above 1 a generation is told after the next ones were asked. The update
takes points from anywhere, so it stays sound, but slower (on ellipsoids of 18 dimensions twice the
depth took about one and a half times the evaluations).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
from cmaes import CMA, SepCMA

from cycleqd.evolution.rng import on_grid, stream
from cycleqd.evolution.search import numbers_of, read_generation

if TYPE_CHECKING:
    from cycleqd.manifest.model import Spec

Float64 = npt.NDArray[np.float64]

SMALLEST_POPULATION = 4
"""Ranks of fewer points say too little of a direction; smaller generations are told together."""


class SymmetricCMA(CMA):  # type: ignore[misc] # the library has no types
    """The library's CMA-ES, sampled through the symmetric root of its covariance matrix.

    The library samples ``B D z`` with the eigenvectors ``B``. Where eigenvalues are equal, as most
    are at the beginning, these are any basis of their space, and another machine takes another one.
    ``B D B^T z`` has the same distribution and does not depend on the basis.
    """

    def _sample_solution(self) -> Float64:
        basis, deviations = self._eigen_decomposition()
        drawn = self._rng.randn(self._n_dim)
        point: Float64 = self._mean + self._sigma * (basis * deviations) @ (basis.T @ drawn)
        return point


def begin(
    spec: Spec, dimensions: int, mean: float, sigma: float, covariance: Literal["Full", "Diagonal"]
) -> CMA | SepCMA:
    """The distribution before anything is told.

    Args:
        spec: the run; its seed keys the draws. A generation, or some small ones, is a population.
        dimensions: length of the points.
        mean: of every coordinate.
        sigma: standard deviation of every coordinate.
        covariance: ``Full``, or ``Diagonal`` (Ros and Hansen, 2008).
    """
    size = spec.evolution.candidates_per_generation
    # SepCMA refuses a single dimension, where both are the same.
    kind = SepCMA if covariance == "Diagonal" and dimensions > 1 else SymmetricCMA
    return kind(
        mean=np.full(dimensions, mean),
        sigma=sigma,
        population_size=size * -(-SMALLEST_POPULATION // size),
        seed=int(stream(spec.seed, 0, "cmaes").uniform(1)[0] * 2**32),
    )


def ask_generation(
    optimizer: CMA | SepCMA, spec: Spec, values: Sequence[float], generation: int
) -> list[Float64]:
    """The points of a generation.

    Args:
        optimizer: of `begin`; it is used up.
        spec: the run.
        values: what each candidate was worth, by number; more is better. Those that the generation
            could not know of yet are not looked at.
        generation: from 1.

    Returns:
        Points of (dimensions,) float64, multiples of 2^-24, one for each of the generation's
        numbers.
    """
    population = optimizer.population_size
    asked: list[Float64] = []
    told = 0
    for present in range(1, generation + 1):
        known = min(len(values), numbers_of(read_generation(present, spec) + 1, spec).start)
        while told + population <= known:
            lot = range(told, told + population)
            optimizer.tell([(asked[number], -values[number]) for number in lot])
            told += population
        asked += [on_grid(optimizer.ask()) for _ in numbers_of(present, spec)]
    return asked[numbers_of(generation, spec).start :]
