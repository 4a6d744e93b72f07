"""Tunes of one scalar merge: what learning from verified answers gives without a search.

A few scalars are tried, and all that is left of the budget trains the best of them again and again,
each time by another seed. What CycleQD reaches beyond the best of these owes to its search.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from cycleqd.evolution.strategies.base import Proposal, SearchState, Strategy, Tuning
from cycleqd.evolution.strategies.task_arithmetic import LARGEST_FACTOR, van_der_corput
from cycleqd.manifest.values import DECIMAL, Model
from cycleqd.records import keys

if TYPE_CHECKING:
    from cycleqd.evolution.genome import Genome
    from cycleqd.manifest.evolution import Evolution


class TunedScalarSettings(Model):
    """What is tuned."""

    grid: Annotated[int, Field(ge=1, le=10_000)] = 6
    """Scalars that are tried first, the points of ``TaskArithmetic``; the best of them is tuned."""

    factor: Annotated[float, Field(ge=0, le=10), DECIMAL] | None = None
    """Tune the merge of all experts with this factor and try no grid; 0 is the base model."""


class TunedScalar(Strategy[TunedScalarSettings]):
    """The first ``grid`` candidates are scalar merges, all others tunes of the best one.

    Every task that is trained counts alike, and every tune has the seed of its candidate. The best
    is of the highest geometric mean, then of the highest mean, then the first, among those that the
    plan knows; where it knows none (a deep pipeline, or none could be evaluated) the first point of
    the grid, its middle, is tuned.
    """

    name = "TunedScalar"
    summary = "(rival: tunes of the best scalar merge, or of a given one)"
    settings_model = TunedScalarSettings
    needs: ClassVar = {"tune": "to train every candidate after the grid"}
    overrides: ClassVar = {"factor": ("grid",)}

    @classmethod
    def operators(cls, evolution: Evolution) -> str:  # noqa: ARG003
        """Nothing but tunes."""
        return "Tune"

    def propose(
        self,
        number: int,
        state: SearchState,
        genome_of: Callable[[str], Genome],  # noqa: ARG002 - scalars follow from their numbers
    ) -> Proposal:
        """A point of the grid, then a tune of what was best."""
        from cycleqd.evolution.combination import tuned_genome
        from cycleqd.evolution.tuning import even_shares

        factor, best = self.settings.factor, None
        if factor is None:
            if number < self.settings.grid:
                return Proposal(number, self._scalar(_point(number)))
            best = self._best(state)
            factor = _point(best or 0)
        begin = self._scalar(factor)
        return Proposal(
            number,
            tuned_genome(begin, keys.child(number)),
            parents=() if best is None else (keys.child(best),),
            tuning=Tuning(begin, even_shares(self.spec)),
        )

    def _best(self, state: SearchState) -> int | None:
        """Number of the best scalar that the plan knows."""
        from cycleqd.evolution.front import balance

        scores = {
            number: one.scores
            for one in state.told()
            if (number := keys.child_number(one.candidate)) is not None
            and number < self.settings.grid
            and one.scores
        }
        return max(sorted(scores), key=lambda number: balance(scores[number]), default=None)

    def _scalar(self, factor: float) -> Genome:
        from cycleqd.evolution.genome import scaled_experts_genome

        return scaled_experts_genome(self.layout, [factor] * len(self.layout.experts))


def _point(number: int) -> float:
    return LARGEST_FACTOR * van_der_corput(number)
