"""What merges without a search have in common: a grid of factors for one merged task vector."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

from pydantic import Field

from cycleqd.evolution.strategies.base import Proposal, SearchState, Strategy
from cycleqd.evolution.strategies.task_arithmetic import van_der_corput
from cycleqd.manifest.values import DECIMAL, Model

if TYPE_CHECKING:
    from cycleqd.evolution.genome import Genome, Merged


class GridSettings(Model):
    """The grid."""

    largest: Annotated[float, Field(gt=0, le=10), DECIMAL] = 2.0
    """Factors of the merged task vector lie between 0 and this."""


S = TypeVar("S", bound=GridSettings)


class MergedGrid(Strategy[S]):
    """``base + factor * merged task vector``; the grid is that of ``TaskArithmetic``."""

    @abstractmethod
    def term(self, factor: float) -> Merged:
        """The term of a genome that is the merged task vector times a factor."""

    def propose(
        self,
        number: int,
        state: SearchState,  # noqa: ARG002 - the grid is fixed
        genome_of: Callable[[str], Genome],  # noqa: ARG002
    ) -> Proposal:
        """The next point of the grid."""
        from dataclasses import replace

        from cycleqd.evolution.genome import base_genome

        term = self.term(self.settings.largest * van_der_corput(number))
        return Proposal(number, replace(base_genome(self.layout), merged=(term,)))
