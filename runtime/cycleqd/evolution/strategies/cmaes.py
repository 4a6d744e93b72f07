"""CMA-ES over the experts' factors, what mergekit-evolve does: one objective, one distribution.

The rival that practitioners use (Akiba et al., 2024, merge by it too). It climbs the mean of the
skills and knows no niches; its candidates are offered to the archives like all others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from cycleqd.evolution.strategies.at_grain import AtGrain
from cycleqd.evolution.strategies.base import Proposal, SearchState, Told
from cycleqd.manifest.values import DECIMAL, Model
from cycleqd.records import keys

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from cycleqd.evolution.genome import Genome, GenomeLayout
    from cycleqd.manifest.model import Spec


class CMAESSettings(Model):
    """The distribution and what it climbs."""

    objective: Literal["Mean", "GeometricMean"] = "Mean"
    """Of a candidate's search scores over all tasks. A candidate that failed counts as 0."""

    mean: Annotated[float, Field(ge=0, le=10), DECIMAL] | None = None
    """Every factor's mean at the beginning; 1 / number of experts when absent (mergekit-evolve)."""

    sigma: Annotated[float, Field(gt=0, le=10), DECIMAL] = 0.1667
    """Every factor's standard deviation at the beginning (mergekit-evolve: 1/6)."""

    covariance: Literal["Full", "Diagonal"] = "Full"
    """``Diagonal`` learns no dependencies between factors (Ros and Hansen, 2008): for hundreds of
    factors, where a full matrix takes more evaluations than a run has."""


class CMAES(AtGrain[CMAESSettings]):
    """A normal distribution over factors at the grain of ``crossover.granularity``, adapted.

    A generation is its population. Plan with ``pipelineDepth: 1`` where workers can wait: then it
    is told every generation before it asks for the next.
    """

    name = "CMAES"
    summary = "(rival: CMA-ES over the experts' factors, as mergekit-evolve)"
    settings_model = CMAESSettings

    def __init__(self, spec: Spec, layout: GenomeLayout) -> None:
        super().__init__(spec, layout)
        # The candidates of one plan share a replay; equal values give equal points.
        self._replayed: tuple[object, list[npt.NDArray[np.float64]]] | None = None

    def propose(
        self,
        number: int,
        state: SearchState,
        genome_of: Callable[[str], Genome],  # noqa: ARG002 - a replay knows what it asked
    ) -> Proposal:
        """The point that the distribution gives as this number."""
        size = self.spec.evolution.candidates_per_generation
        told = [one for one in state.told() if keys.child_number(one.candidate) is not None]
        points = self._points(number // size + 1, tuple(map(self._value, told)))
        return Proposal(number, self.genome(points[number % size]))

    def _points(self, generation: int, values: tuple[float, ...]) -> list[npt.NDArray[np.float64]]:
        from cycleqd.evolution.cma import ask_generation, begin

        key = (generation, values)
        if self._replayed is None or self._replayed[0] != key:
            settings = self.settings
            mean = 1.0 / len(self.layout.experts) if settings.mean is None else settings.mean
            optimizer = begin(self.spec, self.factors, mean, settings.sigma, settings.covariance)
            self._replayed = key, ask_generation(optimizer, self.spec, values, generation)
        return self._replayed[1]

    def _value(self, told: Told) -> float:
        """What a candidate is worth, 0 to 1."""
        from math import fsum

        from cycleqd.evolution.metrics import geometric_mean

        if not told.scores:
            return 0.0
        scores = [told.scores[task.name] for task in self.spec.tasks]
        if self.settings.objective == "GeometricMean":
            return geometric_mean(scores)
        return fsum(scores) / len(scores)
