"""The seam between the loop and a strategy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cycleqd.evolution.archive import Archive
from cycleqd.evolution.genome import Genome, GenomeLayout
from cycleqd.manifest.model import Spec


@dataclass(frozen=True)
class SearchState:
    """What a plan may depend on: one committed generation.

    Attributes:
        archives: archives by task, in the run's order.
        focus_experts: for each task the expert of its skill.
    """

    archives: Mapping[str, Archive]
    focus_experts: Mapping[str, str]


@dataclass(frozen=True)
class Proposal:
    """A candidate to evaluate.

    Attributes:
        number: its number in the run, from 0.
        genome: its coefficients.
        focus: the task whose archive the parents were drawn from, None for baselines.
        parents: candidate ids.
    """

    number: int
    genome: Genome
    focus: str | None = None
    parents: tuple[str, ...] = ()


class Strategy(ABC):
    """Proposes candidates; deterministic in the spec, the state and the number."""

    def __init__(self, spec: Spec, layout: GenomeLayout) -> None:
        self.spec = spec
        self.layout = layout

    @abstractmethod
    def propose(
        self, number: int, state: SearchState, genome_of: Callable[[str], Genome]
    ) -> Proposal | None:
        """The candidate of this number.

        Args:
            number: 0-based over the whole run.
            state: the committed generation that the plan reads.
            genome_of: the genome of a member of the archives, in the form in which it may be a
                parent (`cycleqd.evolution.genome.as_parent`).

        Returns:
            The proposal, or None when the strategy has no more candidates.
        """
