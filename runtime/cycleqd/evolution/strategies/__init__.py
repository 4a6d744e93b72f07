"""Who proposes candidates. One strategy per file, registered in `cycleqd.manifest.registry`.

A strategy only *asks*: it turns the state of the search and a candidate's number into a genome.
What is *told*, offering every evaluated candidate to every archive, is the same for all of them
(`cycleqd.evolution.search`), so baselines and CycleQD pass through one evaluation path.

The manifest reads these files too, where there is no numpy, so what needs it is imported in
`propose`. ``docs/extending.md`` shows how to add a strategy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from cycleqd.evolution.strategies.base import Proposal, SearchState, Strategy, Told, Tuning
from cycleqd.manifest.registry import STRATEGIES

if TYPE_CHECKING:
    from cycleqd.evolution.genome import GenomeLayout
    from cycleqd.manifest.evolution import Evolution
    from cycleqd.manifest.model import Spec

__all__ = [
    "Proposal",
    "SearchState",
    "Strategy",
    "Told",
    "Tuning",
    "make_strategy",
    "strategy_of",
]


def strategy_of(evolution: Evolution) -> type[Strategy[Any]]:
    """The strategy that a manifest chooses."""
    return cast("type[Strategy[Any]]", STRATEGIES.entries[evolution.strategy])


def make_strategy(spec: Spec, layout: GenomeLayout) -> Strategy[Any]:
    """The strategy that ``spec.evolution.strategy`` names, for a run."""
    return strategy_of(spec.evolution)(spec, layout)
