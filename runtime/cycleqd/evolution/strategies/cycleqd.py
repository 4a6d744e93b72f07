"""CycleQD (Kuroki et al., ICLR 2025): the paper's algorithm box for one child."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from cycleqd.evolution.strategies.base import Proposal, SearchState, Strategy, Tuning
from cycleqd.manifest.registry import Conflict
from cycleqd.records import keys

if TYPE_CHECKING:
    from cycleqd.evolution.genome import Genome
    from cycleqd.manifest.evolution import Evolution, Selection


def _selection(selection: Selection) -> str:
    """How parents are drawn, as the report tells it."""
    if selection.partner == "Elite":
        return selection.method
    return f"{selection.method}, partner {selection.partner}"


class CycleQD(Strategy[None]):
    """Two elites of the archive in focus, merged and mutated; the focus cycles."""

    name = "CycleQD"
    summary = "(the paper: two elites, merged and mutated)"
    races = True
    conflicts = (
        Conflict(
            field="crossover.granularity",
            values=("Band", "Block", "Tensor"),
            other="mutation.method",
            others=("Gaussian", "ChildSVD"),
            because="whose terms have one coefficient for the whole model",
            remedy="write granularity Model, or mutation method ExpertSVD or None",
        ),
        Conflict(
            field="crossover.method",
            values=("Line",),
            other="mutation.method",
            others=("Gaussian", "ChildSVD"),
            because="whose terms have one coefficient for the whole model",
            remedy="write crossover method Linear, or mutation method ExpertSVD or None",
        ),
    )

    @classmethod
    def uses_directions(cls, evolution: Evolution) -> bool:
        """Only one kind of mutation moves along them."""
        return evolution.mutation.method == "ExpertSVD"

    @classmethod
    def described(cls, evolution: Evolution) -> tuple[tuple[str, str], ...]:
        """The three operators, and where it starts."""
        crossover, start = evolution.crossover, evolution.start
        began = f"{start.rays} rays, {start.design} points" if start is not None else "experts"
        return (
            ("crossover", f"{crossover.method}, weights per {crossover.granularity}"),
            ("mutation", evolution.mutation.method),
            ("selection", _selection(evolution.selection)),
            ("start", began),
            ("tuned", f"{evolution.tune.share:.0%}" if evolution.tune is not None else "none"),
            *(
                (("race", f"{evolution.race.share:.0%} of the items first"),)
                if evolution.race
                else ()
            ),
        )

    @classmethod
    def operators(cls, evolution: Evolution) -> str:
        """Crossover and mutation, or crossover and a tune; before them how mates are drawn."""
        partner = evolution.selection.partner
        mates = "" if partner == "Elite" else f"{partner} + "
        tune = " or Tune" if evolution.tune is not None else ""
        return f"{mates}{evolution.crossover.method} + {evolution.mutation.method}{tune}"

    def focus_of(self, number: int) -> str:
        """The task in focus of a candidate: it changes every ``cycleInterval`` candidates."""
        tasks = self.spec.tasks
        return tasks[(number // self.spec.evolution.cycle_interval) % len(tasks)].name

    def propose(
        self, number: int, state: SearchState, genome_of: Callable[[str], Genome]
    ) -> Proposal:
        """Select, cross, then mutate or tune."""
        from cycleqd.evolution.combination import tuned_genome
        from cycleqd.evolution.crossover import cross
        from cycleqd.evolution.genome import expert_genome
        from cycleqd.evolution.mutation import mutate
        from cycleqd.evolution.rng import stream
        from cycleqd.evolution.selection import draw_parents
        from cycleqd.evolution.start import start_genome, tuned_ray
        from cycleqd.evolution.tuning import even_shares, is_tuned, shares

        evolution, seed = self.spec.evolution, self.spec.seed
        if evolution.start is not None:
            begin = start_genome(self.layout, evolution.crossover, evolution.start, seed, number)
            if begin is not None:
                return Proposal(number, begin)
            tuned = evolution.tune.rays if evolution.tune is not None else 0
            ray = tuned_ray(self.layout, evolution.start, tuned, number)
            if ray is not None:
                parent, begin = ray
                tuning = Tuning(begin, even_shares(self.spec))
                learned = tuned_genome(begin, keys.child(number))
                return Proposal(number, learned, None, (keys.child(parent),), tuning)
        focus = self.focus_of(number)
        expert = state.focus_experts[focus]
        first, second = draw_parents(
            state.archives[focus],
            evolution.selection,
            stream(seed, number, "selection"),
            lambda: {told.candidate: told.outcomes for told in state.told()},
        )
        if second is None:
            # One occupied cell: its elite meets the expert of the skill.
            parents = (first.candidate, keys.expert(expert))
            genomes = (genome_of(first.candidate), expert_genome(self.layout, expert))
        else:
            parents = (first.candidate, second.candidate)
            genomes = (genome_of(first.candidate), genome_of(second.candidate))
        child = cross(*genomes, evolution.crossover, stream(seed, number, "crossover"))
        if evolution.tune is not None and is_tuned(evolution.tune, seed, number):
            tuning = Tuning(child, shares(self.spec, evolution.tune, focus, number))
            return Proposal(number, tuned_genome(child, keys.child(number)), focus, parents, tuning)
        child = mutate(
            child,
            evolution.mutation,
            number=number,
            expert=expert,
            stream=stream(seed, number, "mutation"),
        )
        return Proposal(number, child, focus, parents)
