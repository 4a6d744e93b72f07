"""CycleQD (Kuroki et al., ICLR 2025): the paper's algorithm box for one child."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from cycleqd.evolution.strategies.base import Proposal, SearchState, Strategy, Tuning
from cycleqd.manifest.registry import Conflict
from cycleqd.records import keys

if TYPE_CHECKING:
    from cycleqd.evolution.genome import Genome
    from cycleqd.manifest.evolution import Evolution, Selection, Soup, Tune


def _selection(selection: Selection) -> str:
    """How parents are drawn, as the report tells it."""
    if selection.partner == "Elite":
        return selection.method
    return f"{selection.method}, partner {selection.partner}"


def _tuned(tune: Tune) -> str:
    """How many children learn and of whom, as the report tells it."""
    teachers = f", distillation {tune.distillation:g}" if tune.distillation else ""
    return f"{tune.share:.0%}{teachers}"


def _soups(soup: Soup) -> str:
    """How often children are means, as the report tells it."""
    return f"{soup.share:.0%} of the others, {soup.members} members each"


class CycleQD(Strategy[None]):
    """Two elites of the archive in focus, merged and mutated; the focus cycles."""

    name = "CycleQD"
    summary = "(the paper: two elites, merged and mutated)"
    races = True
    grows = True
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
            ("tuned", _tuned(evolution.tune) if evolution.tune is not None else "none"),
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
        soup = " or Soup" if evolution.crossover.soup is not None else ""
        return f"{mates}{evolution.crossover.method} + {evolution.mutation.method}{tune}{soup}"

    def focus_of(self, number: int) -> str:
        """The task in focus of a candidate: it changes every ``cycleInterval`` candidates."""
        tasks = self.spec.tasks
        return tasks[(number // self.spec.evolution.cycle_interval) % len(tasks)].name

    def propose(
        self, number: int, state: SearchState, genome_of: Callable[[str], Genome]
    ) -> Proposal:
        """A start point, else a child of elites: crossed and mutated, crossed and tuned, a soup."""
        from cycleqd.evolution.tuning import is_tuned

        proposal = self._start(number)
        if proposal is not None:
            return proposal
        tune = self.spec.evolution.tune
        if tune is not None and (proposal := self._taught(number, state, genome_of, tune)):
            return proposal
        if tune is not None and is_tuned(tune, self.spec.seed, number):
            return self._tuned(number, state, genome_of, tune)
        return self._soup(number, state, genome_of) or self._mutated(number, state, genome_of)

    def _start(self, number: int) -> Proposal | None:
        from cycleqd.evolution.combination import tuned_genome
        from cycleqd.evolution.start import start_genome, tuned_ray
        from cycleqd.evolution.tuning import even_shares

        evolution = self.spec.evolution
        if evolution.start is None:
            return None
        begin = start_genome(
            self.layout, evolution.crossover, evolution.start, self.spec.seed, number
        )
        if begin is not None:
            return Proposal(number, self.without_retired(begin))
        tuned = evolution.tune.rays if evolution.tune is not None else 0
        ray = tuned_ray(self.layout, evolution.start, tuned, number)
        if ray is None:
            return None
        parent, begin = ray[0], self.without_retired(ray[1])
        tuning = Tuning(begin, even_shares(self.spec))
        learned = tuned_genome(begin, keys.child(number))
        return Proposal(number, learned, None, (keys.child(parent),), tuning)

    def _crossed(
        self, number: int, state: SearchState, genome_of: Callable[[str], Genome]
    ) -> tuple[Genome, tuple[str, str]]:
        """The crossing of two elites of the archive in focus, and who they are."""
        from cycleqd.evolution.crossover import cross
        from cycleqd.evolution.genome import expert_genome
        from cycleqd.evolution.rng import stream
        from cycleqd.evolution.selection import draw_parents

        evolution, seed = self.spec.evolution, self.spec.seed
        focus = self.focus_of(number)
        first, second = draw_parents(
            state.archives[focus],
            evolution.selection,
            stream(seed, number, "selection"),
            lambda: {told.candidate: told.outcomes for told in state.told()},
        )
        if second is None:
            # One occupied cell: its elite meets the expert of the skill.
            expert = state.focus_experts[focus]
            other = keys.expert(expert)
            genomes = (genome_of(first.candidate), expert_genome(self.layout, expert))
        else:
            other = second.candidate
            genomes = (genome_of(first.candidate), genome_of(second.candidate))
        child = cross(*genomes, evolution.crossover, stream(seed, number, "crossover"))
        return child, (first.candidate, other)

    def _mutated(
        self, number: int, state: SearchState, genome_of: Callable[[str], Genome]
    ) -> Proposal:
        from cycleqd.evolution.mutation import mutate
        from cycleqd.evolution.rng import stream

        focus = self.focus_of(number)
        child, parents = self._crossed(number, state, genome_of)
        child = mutate(
            child,
            self.spec.evolution.mutation,
            number=number,
            expert=state.focus_experts[focus],
            stream=stream(self.spec.seed, number, "mutation"),
        )
        return Proposal(number, child, focus, parents)

    def _tuned(
        self, number: int, state: SearchState, genome_of: Callable[[str], Genome], tune: Tune
    ) -> Proposal:
        from cycleqd.evolution.combination import tuned_genome
        from cycleqd.evolution.tuning import shares

        focus = self.focus_of(number)
        child, parents = self._crossed(number, state, genome_of)
        tuning = Tuning(child, shares(self.spec, tune, focus, number))
        return Proposal(number, tuned_genome(child, keys.child(number)), focus, parents, tuning)

    def _taught(
        self, number: int, state: SearchState, genome_of: Callable[[str], Genome], tune: Tune
    ) -> Proposal | None:
        """A tune of a member with a part of an expert that has just joined.

        By itself such a member mostly spoils what it had; taught what the newcomer has solved, and
        all others, it knows both.
        """
        from cycleqd.evolution.combination import tuned_genome
        from cycleqd.evolution.tuning import even_shares

        place = number % self.spec.evolution.candidates_per_generation
        count = min(tune.newcomers, len(state.introduced))
        if place >= count:
            return None
        chosen = state.introduced[place * len(state.introduced) // count]
        begin = genome_of(chosen)
        learned = tuned_genome(begin, keys.child(number))
        return Proposal(number, learned, None, (chosen,), Tuning(begin, even_shares(self.spec)))

    def _soup(
        self, number: int, state: SearchState, genome_of: Callable[[str], Genome]
    ) -> Proposal | None:
        from cycleqd.evolution.aggregate import mean
        from cycleqd.evolution.soups import soup_of

        soup = self.spec.evolution.crossover.soup
        if soup is None:
            return None
        members = soup_of(state.archives, soup, seed=self.spec.seed, number=number)
        if not members:
            return None
        genomes = [genome_of(member.candidate) for member in members]
        return Proposal(number, mean(genomes), None, tuple(m.candidate for m in members))
