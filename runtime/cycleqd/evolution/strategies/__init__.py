"""Who proposes candidates. One strategy per file, registered by its name in the manifest.

A strategy only *asks*: it turns the state of the search and a candidate's number into a genome.
What is *told*, offering every evaluated candidate to every archive, is the same for all of them
(`cycleqd.evolution.search`), so baselines and CycleQD pass through one evaluation path.
"""

from __future__ import annotations

from cycleqd.evolution.genome import GenomeLayout
from cycleqd.evolution.strategies.base import Proposal, SearchState, Strategy
from cycleqd.evolution.strategies.cycleqd import CycleQD
from cycleqd.evolution.strategies.random_genomes import RandomGenomes
from cycleqd.evolution.strategies.task_arithmetic import TaskArithmetic
from cycleqd.evolution.strategies.uniform_merge import UniformMerge
from cycleqd.manifest.model import Spec

__all__ = ["Proposal", "SearchState", "Strategy", "make_strategy"]

_STRATEGIES: dict[str, type[Strategy]] = {
    "CycleQD": CycleQD,
    "RandomGenomes": RandomGenomes,
    "TaskArithmetic": TaskArithmetic,
    "UniformMerge": UniformMerge,
}


def make_strategy(spec: Spec, layout: GenomeLayout) -> Strategy:
    """The strategy that ``spec.evolution.strategy`` names."""
    return _STRATEGIES[spec.evolution.strategy](spec, layout)
