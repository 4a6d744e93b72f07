"""NSGA-II over the experts' factors: a population on the Pareto front of all tasks.

The rival of quality diversity that the paper compares with, and what evolutionary merging of
several objectives is usually done by (mergenetic).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from cycleqd.evolution.strategies.at_grain import AtGrain
from cycleqd.evolution.strategies.base import Proposal, SearchState
from cycleqd.manifest.values import DECIMAL, Model
from cycleqd.records import keys

if TYPE_CHECKING:
    from cycleqd.evolution.genome import Genome
    from cycleqd.manifest.evolution import Evolution


class NSGA2Settings(Model):
    """The population."""

    population: Annotated[int, Field(ge=4, le=10_000)] = 20
    """Candidates that survive each generation, and how many are drawn at random to begin with."""

    largest: Annotated[float, Field(gt=0, le=10), DECIMAL] = 1.0
    """Largest factor of an expert; the smallest is 0."""


class NSGA2(AtGrain[NSGA2Settings]):
    """Factors at the grain of ``crossover.granularity``, crossed by SBX and mutated.

    The experts belong to the first population, since generation 0 has evaluated them.
    """

    name = "NSGA2"
    summary = "(rival: NSGA-II over the experts' factors, all tasks as objectives)"
    settings_model = NSGA2Settings

    @classmethod
    def operators(cls, evolution: Evolution) -> str:  # noqa: ARG003
        """Deb's."""
        return "SBX + Polynomial"

    def propose(
        self, number: int, state: SearchState, genome_of: Callable[[str], Genome]
    ) -> Proposal:
        """A random point at first, then a child of two winners of tournaments."""
        from cycleqd.evolution.crossover import factors_at_grain
        from cycleqd.evolution.nsga2 import cross, mutate, tournament
        from cycleqd.evolution.rng import stream

        crossover, seed = self.spec.evolution.crossover, self.spec.seed
        largest = self.settings.largest
        if number < self.settings.population:
            return Proposal(number, self.random(number, largest, "nsga2", "begin"))
        kept = self._population(state)
        draws = stream(seed, number, "nsga2", "parents")
        parents = tuple(kept[tournament(len(kept), draws)] for _ in range(2))
        # An expert's own factor of 1 may lie beyond the bound.
        first, second = (
            factors_at_grain(genome_of(parent), crossover).ravel().clip(0.0, largest)
            for parent in parents
        )
        child = cross(first, second, largest, stream(seed, number, "nsga2", "crossover"))
        child = mutate(child, largest, stream(seed, number, "nsga2", "mutation"))
        return Proposal(number, self.genome(child), parents=tuple(dict.fromkeys(parents)))

    def _population(self, state: SearchState) -> list[str]:
        """The survivors, the best first."""
        from cycleqd.evolution.nsga2 import survivors

        told = [one for one in state.told() if one.scores]
        names = [task.name for task in self.spec.tasks]
        kept = survivors(
            [[one.scores[name] for name in names] for one in told],
            first=sum(keys.child_number(one.candidate) is None for one in told),
            lot=self.spec.evolution.candidates_per_generation,
            population=self.settings.population,
        )
        return [told[place].candidate for place in kept]
