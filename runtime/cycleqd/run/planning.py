"""Plans and commits as pure functions: what follows from a run's revision and its last archives.

The coordinator writes what these functions return, ``cycleqd verify`` compares it with what is
stored; neither needs the other. Nothing here reads or writes: genomes of parents come through a
function, results as documents.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from cycleqd.errors import RunFailed, StoreCorrupt
from cycleqd.evolution.added import Added
from cycleqd.evolution.combination import as_parent
from cycleqd.evolution.final import finalists, new_genomes, planned, summarise
from cycleqd.evolution.genome import Genome, expert_genome
from cycleqd.evolution.growth import extended
from cycleqd.evolution.joining import introduced_in, introductions, join, joining, revisited
from cycleqd.evolution.publication import TableEntry, entries_for, publication, published_before
from cycleqd.evolution.race import race_order
from cycleqd.evolution.search import Commit, ask, expert_order, first_commit, numbers_of, tell
from cycleqd.evolution.strategies import Told, Tuning, make_strategy
from cycleqd.records import keys
from cycleqd.records.documents import (
    EvaluateEntry,
    FactorEntry,
    PlanDocument,
    ResultDocument,
    Split,
    TuneOrder,
)
from cycleqd.records.final_table import SummaryDocument
from cycleqd.run.revision import Revision

GenomeOf = Callable[[str], Genome]
"""Gives the stored genome of a candidate, in the layout that it was written in."""


@dataclass(frozen=True)
class Plan:
    """What a stage is to do.

    Attributes:
        document: the entries, as stored.
        genomes: by candidate id, those that the plan creates.
        begins: by candidate id, those that candidates are tuned from.
    """

    document: PlanDocument
    genomes: dict[str, Genome] = field(default_factory=dict)
    begins: dict[str, Genome] = field(default_factory=dict)

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Keys and contents of all genomes."""
        for candidate, genome in self.genomes.items():
            yield keys.genome(candidate), genome.to_bytes()
        for candidate, genome in self.begins.items():
            yield keys.begin(candidate), genome.to_bytes()


def genome_digest(genome: Genome) -> str:
    """SHA-256 of a genome's file, in hexadecimal."""
    return hashlib.sha256(genome.to_bytes()).hexdigest()


def first_plan(revision: Revision) -> Plan:
    """The plan of generation 0: factor the experts where genomes use directions, evaluate all."""
    spec, layout = revision.spec, revision.layout
    names = [expert.name for expert in spec.experts]
    factors = [FactorEntry(expert=name) for name in names] if layout.directions else []
    genomes = {
        candidate: expert_genome(layout, name)
        for candidate, name in zip(expert_order(spec), names, strict=True)
    }
    evaluations = [
        EvaluateEntry(
            candidate=candidate, genome=genome_digest(g), split="search", tasks=revision.tasks
        )
        for candidate, g in genomes.items()
    ]
    return Plan(PlanDocument(entries=(*factors, *evaluations)), genomes)


def join_plan(
    before: Revision, revision: Revision, number: int, commit: Commit, genome_of: GenomeOf
) -> Plan:
    """The plan of a generation that experts, tasks or items join or retire in.

    Retiring alone asks for no evaluation: what follows is made of stored scores.

    Args:
        before: the run until then.
        revision: the run from then on.
        number: the generation.
        commit: the one before.
        genome_of: genomes of the archives' members.
    """
    new = joining(before.spec, revision.spec)
    layout = revision.layout
    factors = [FactorEntry(expert=name) for name in new.experts] if layout.directions else []
    introduced = introductions(commit, number, new.experts, _as_parents(genome_of, revision))
    genomes = {keys.expert(name): expert_genome(layout, name) for name in new.experts}
    genomes |= {one.candidate: one.genome for one in introduced}
    parents: dict[str, tuple[str, ...]] = {one.candidate: one.parents for one in introduced}
    for expert in revision.spec.experts:
        if expert.name in new.experts and expert.member is not None:
            parents[keys.expert(expert.name)] = (expert.member,)
    first_items = revision.first_items(before)
    asked = (*first_items, *new.tasks)
    again = revisited(before.spec, commit) if asked else []
    evaluations = [
        *(
            EvaluateEntry(
                candidate=candidate,
                genome=genome_digest(genome_of(candidate)),
                split="search",
                tasks=asked,
                revisit=number,
                first_items={task: first for task, first in first_items.items() if first},
            )
            for candidate in again
        ),
        *(
            EvaluateEntry(
                candidate=candidate,
                genome=genome_digest(genome),
                split="search",
                tasks=revision.tasks,
                parents=parents.get(candidate, ()),
            )
            for candidate, genome in genomes.items()
        ),
    ]
    return Plan(PlanDocument(entries=(*factors, *evaluations)), genomes)


def make_plan(
    revision: Revision,
    number: int,
    commit: Commit,
    genome_of: GenomeOf,
    told: Callable[[], Sequence[Told]],
) -> Plan:
    """The plan of a generation from 1 on.

    Args:
        revision: the run as of that generation.
        number: the generation.
        commit: the generation that it reads (`cycleqd.evolution.search.read_generation`).
        genome_of: genomes of the archives' members.
        told: all candidates up to the generation that it reads (`SearchState.told`).
    """
    strategy = make_strategy(revision.spec, revision.layout)
    raced = strategy.races and revision.spec.evolution.race is not None
    race = race_order(commit.state.archives) if raced else None
    # Later generations may read the same commit, where several are evaluated at once.
    introduced = introduced_in(commit) if commit.generation == number - 1 else ()
    proposals = ask(
        strategy,
        replace(commit.state, told=told, introduced=introduced),
        numbers_of(number, revision.spec, revision.joins),
        _as_parents(genome_of, revision),
    )
    entries = tuple(
        EvaluateEntry(
            candidate=keys.child(p.number),
            genome=genome_digest(p.genome),
            split="search",
            tasks=revision.tasks,
            focus=p.focus,
            parents=p.parents,
            tune=None if p.tuning is None else _order(p.tuning, commit.generation),
            # A tune has cost more by then than the race would save.
            race=race if p.tuning is None else None,
        )
        for p in proposals
    )
    return Plan(
        PlanDocument(entries=entries),
        {keys.child(p.number): p.genome for p in proposals},
        {keys.child(p.number): p.tuning.begin for p in proposals if p.tuning is not None},
    )


def _order(tuning: Tuning, generation: int) -> TuneOrder:
    """What a worker is told of a tune: members' answers count up to the generation that is read."""
    return TuneOrder(
        begin=genome_digest(tuning.begin), answers=generation, shares=dict(tuning.shares)
    )


def make_final_plan(
    revision: Revision, commit: Commit, genome_of: GenomeOf, before: SummaryDocument | None
) -> Plan:
    """The plan of the held-out comparison after a commit, and of what is tried before it.

    Args:
        revision: the run as of that commit.
        commit: the last generation, or the one before somebody joins.
        genome_of: genomes of all who were evaluated so far.
        before: the last final table of an earlier generation, None where there is none.
    """
    fresh = new_genomes(revision.spec, revision.layouts, commit, _as_parents(genome_of, revision))
    entries = tuple(
        EvaluateEntry(
            candidate=one.candidate,
            genome=genome_digest(fresh.get(one.candidate) or genome_of(one.candidate)),
            split=one.split,
            tasks=one.tasks,
        )
        for one in _table_entries(revision, commit, before)
    )
    return Plan(PlanDocument(entries=entries), fresh)


def _table_entries(
    revision: Revision, commit: Commit, before: SummaryDocument | None
) -> list[TableEntry]:
    """Who is asked what for a final table: its rows, and then those of the table before it."""
    rows = planned(revision.spec, commit, revision.changed_experts)
    found = {(who, split): TableEntry(who, split, revision.tasks) for who, split in rows}
    for one in entries_for(revision.spec, commit, before):
        found.setdefault((one.candidate, one.split), one)
    return list(found.values())


def make_commit(
    revision: Revision,
    results: Sequence[ResultDocument],
    previous: Commit | None,
    before: Revision | None = None,
    experts: Sequence[Told] = (),
) -> Commit:
    """The state after a generation.

    Args:
        revision: the run as of that generation.
        results: one for each entry of its plan.
        previous: the generation before, None for generation 0.
        before: the run until then, where somebody joins or retires in this generation; else None.
        experts: those of the run until then, where it is given.

    Raises:
        RunFailed: an expert, or too many candidates, could not be evaluated.
    """
    spec, hold_out, limit = revision.spec, revision.hold_out, revision.max_failed
    if previous is not None and before is None:
        return tell(previous, results, limit, hold_out)
    for result in results:
        if result.candidate is None and result.failure is not None:
            raise RunFailed(f"factoring failed: {result.failure.message}")
    evaluated = [r for r in results if r.candidate is not None]
    if previous is None:
        return first_commit(spec, evaluated)
    assert before is not None
    known = {expert.candidate: expert.scores for expert in experts}
    added = Added(hold_out, revision.first_items(before), known)
    return join(previous, before.spec, spec, evaluated, limit=limit, added=added)


def make_summary(
    revision: Revision,
    commit: Commit,
    results: Sequence[ResultDocument],
    before: SummaryDocument | None,
) -> SummaryDocument:
    """The final table from the results of the final plan.

    Args:
        revision: the run as of that commit.
        commit: the generation that it is made of.
        results: one for each entry of its plan, in that order.
        before: the last final table of an earlier generation, None where there is none.

    Raises:
        StoreCorrupt: they are results of another plan.
    """
    spec = revision.spec
    changed = revision.changed_experts
    plan = _table_entries(revision, commit, before)
    if [result.candidate for result in results] != [one.candidate for one in plan]:
        raise StoreCorrupt(
            f"{keys.final(commit.generation).results_prefix}: are not those of the finalists that "
            f"follow from generation {commit.generation}"
        )
    found: dict[Split, dict[str, ResultDocument]] = {"search": {}, "test": {}}
    for one, result in zip(plan, results, strict=True):
        if one.tasks == revision.tasks:
            found[one.split][one.candidate] = result
    means = {who for who, split in planned(spec, commit, changed) if split == "search"}
    tried = {c: r for c, r in found["search"].items() if c in means and r.failure is None}
    hold_out = revision.hold_out
    rows = [
        *finalists(spec, commit, tried, changed, hold_out),
        *published_before(spec, before, found["search"], found["test"], hold_out),
    ]
    table = summarise(spec, commit.generation, rows, found["test"])
    published = publication(spec, before, table, found["search"], hold_out)
    return table.model_copy(update={"published": published})


def _as_parents(genome_of: GenomeOf, revision: Revision) -> GenomeOf:
    """Genomes in the form and the layout in which they may be parents."""
    return lambda candidate: extended(as_parent(candidate, genome_of(candidate)), revision.layout)
