"""The held-out comparison: who takes part, and the table with its errors.

Everything is chosen on the search split; the test split is looked at once. Beside the paper's rows
(base, experts, uniform merge, aggregate) stand the best member of each archive and the *balanced*
member, the one of highest geometric mean: a plain mean lets a search drop a skill.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from cycleqd.evolution.aggregate import aggregate
from cycleqd.evolution.archive import Member
from cycleqd.evolution.front import balance, chosen, front_mean, members_of, trials
from cycleqd.evolution.genome import Genome, GenomeLayout, base_genome, expert_genome
from cycleqd.evolution.hold_out import NONE_HELD_OUT, HoldOut
from cycleqd.evolution.metrics import mean_and_error
from cycleqd.evolution.search import Commit
from cycleqd.evolution.strategies.uniform_merge import uniform_merge
from cycleqd.manifest.model import Spec
from cycleqd.records import keys
from cycleqd.records.documents import ResultDocument, Split
from cycleqd.records.final_table import RowKind, SummaryDocument, SummaryRow

GenomeOf = Callable[[str], Genome]
"""Gives the genome of a candidate."""


@dataclass(frozen=True)
class Finalist:
    """A row of the final table.

    Attributes:
        name: how the table calls it.
        kind: why it takes part.
        candidate: its id.
        search: its scores on the search split, empty where it is in no archive.
        unseen: the same of the items that are kept out of tuning, empty where none are.
    """

    name: str
    kind: RowKind
    candidate: str
    search: Mapping[str, float]
    unseen: Mapping[str, float] = field(default_factory=dict)


def balanced_member(commit: Commit) -> Member:
    """The archives' member of the best `cycleqd.evolution.front.balance`; ties by id."""
    return members_of(commit.state.archives)[0]


def planned(spec: Spec, commit: Commit, changed: int = 0) -> list[tuple[str, Split]]:
    """What the final stage evaluates, in the order of its plan: candidates with the items.

    Args:
        spec: the run.
        commit: its last generation.
        changed: how many experts have joined or retired after the run had begun.

    Means of the front are evaluated on both splits, though only one of them becomes a row: so one
    stage is enough, and which one it is follows from the search items.
    """
    aggregates = list(_aggregates(spec, commit))
    candidates = dict.fromkeys(
        [*(row.candidate for row in _others(spec, commit, changed)), *aggregates]
    )
    plan: list[tuple[str, Split]] = [(candidate, "test") for candidate in candidates]
    if spec.evolution.aggregate.method == "Front":
        plan += [(candidate, "search") for candidate in aggregates]
    return plan


def finalists(
    spec: Spec,
    commit: Commit,
    tried: Mapping[str, ResultDocument] | None = None,
    changed: int = 0,
    hold_out: HoldOut = NONE_HELD_OUT,
) -> list[Finalist]:
    """The rows of the table, in its order.

    Args:
        spec: the run.
        commit: its last generation.
        tried: results on the search split of the means of the front, by candidate id, without those
            that failed; the smallest first.
        changed: how many experts have joined or retired after the run had begun.
        hold_out: the search items that nobody is trained on.
    """
    rows = _others(spec, commit, changed)
    if spec.evolution.aggregate.method == "Front":
        results = list((tried or {}).items())
        means = [Member(name, r.scores, hold_out.scores(r.outcomes)) for name, r in results]
        counts = hold_out.counts(results[0][1].outcomes) if results else {}
        best = chosen(balanced_member(commit), means, counts)
        row = Finalist("aggregate", "aggregate", best.candidate, best.scores, best.unseen)
    else:
        row = Finalist("aggregate", "aggregate", keys.aggregate(commit.generation), {})
    return [*rows, row]


def _others(spec: Spec, commit: Commit, changed: int) -> list[Finalist]:
    """The rows before the aggregate's."""
    nobody = Member("", {})
    members = {member.candidate: member for member in members_of(commit.state.archives)}
    rows = [Finalist("base", "base", keys.BASE_CANDIDATE, {})]
    for expert in spec.experts:
        candidate = keys.expert(expert.name)
        member = members.get(candidate, nobody)
        rows.append(
            Finalist(f"expert {expert.name}", "expert", candidate, member.scores, member.unseen)
        )
    rows.append(Finalist("uniform merge", "uniform-merge", keys.uniform_merge(changed), {}))
    for task, archive in commit.state.archives.items():
        best = archive.ranked()[0]
        rows.append(
            Finalist(f"best of {task}", "best-of-task", best.candidate, best.scores, best.unseen)
        )
    best = balanced_member(commit)
    rows.append(Finalist("balanced member", "balanced", best.candidate, best.scores, best.unseen))
    return rows


def _aggregates(spec: Spec, commit: Commit) -> dict[str, Callable[[GenomeOf], Genome]]:
    """How to make what is, or may become, the aggregate, by candidate id."""
    archives, settings = commit.state.archives, spec.evolution.aggregate
    if settings.method == "Softmax":
        return {keys.aggregate(commit.generation): partial(aggregate, archives, settings)}
    return {
        candidate: partial(front_mean, archives, size)
        for candidate, size in trials(archives, settings, commit.generation).items()
    }


def new_genomes(
    spec: Spec, layouts: Sequence[GenomeLayout], commit: Commit, genome_of: GenomeOf
) -> dict[str, Genome]:
    """Genomes of the finalists that are no members of the population, by candidate id.

    Args:
        spec: the run.
        layouts: all that it has had. Base and experts stay as they were first written.
        commit: its last generation.
        genome_of: genomes of members in the layout that holds now.
    """
    names = [expert.name for expert in spec.experts]
    joined = len(layouts[-1].experts) - len(layouts[0].experts)
    retired = len(layouts[-1].experts) - len(names)
    genomes = {
        keys.BASE_CANDIDATE: base_genome(layouts[0]),
        keys.uniform_merge(joined + retired): uniform_merge(layouts[-1], names),
    }
    for candidate, make in _aggregates(spec, commit).items():
        genomes[candidate] = make(genome_of)
    for expert in spec.experts:
        first = next(layout for layout in layouts if expert.name in layout.experts)
        genomes[keys.expert(expert.name)] = expert_genome(first, expert.name)
    return genomes


def _solved(outcomes: str) -> list[float]:
    return [1.0 if mark == "1" else 0.0 for mark in outcomes]


def summarise(
    spec: Spec,
    generations: int,
    rows: Sequence[Finalist],
    results: Mapping[str, ResultDocument],
) -> SummaryDocument:
    """The final table.

    Args:
        spec: the run.
        generations: the last committed generation.
        rows: the finalists.
        results: by candidate id, on the test split. A finalist whose evaluation failed is left out.
    """
    tasks = [task.name for task in spec.tasks]
    merged = next(row.candidate for row in rows if row.kind == "uniform-merge")
    reference = results[merged]
    table: list[SummaryRow] = []
    for row in rows:
        result = results[row.candidate]
        if result.failure is not None:
            continue
        solved = {task: _solved(result.outcomes[task]) for task in tasks}
        mean, error = mean_and_error([solved[task] for task in tasks])
        gain = gain_error = None
        if reference.failure is None and row.kind != "uniform-merge":
            difference = [
                [a - b for a, b in zip(solved[t], _solved(reference.outcomes[t]), strict=True)]
                for t in tasks
            ]
            gain, gain_error = mean_and_error(difference)
        table.append(
            SummaryRow(
                name=row.name,
                kind=row.kind,
                candidate=row.candidate,
                search=dict(row.search),
                unseen=dict(row.unseen),
                test=dict(result.scores),
                mean=mean,
                minimum=min(result.scores[task] for task in tasks),
                standard_error=error,
                gain=gain,
                gain_error=gain_error,
            )
        )
    return SummaryDocument(generations=generations, rows=tuple(table))


def recommended(table: SummaryDocument) -> SummaryRow | None:
    """The model to take: chosen on the search items, never on the held-out ones.

    The published one, where the run publishes. Else it is an aggregate that was tried on the search
    items, else the balanced member; where neither could be evaluated on the held-out items, the
    best that could. None where no row has been in the search.
    """
    if table.published is not None:
        candidate = table.published.candidate
        found = next((row for row in table.rows if row.candidate == candidate and row.search), None)
        if found is not None:
            return found
    known = [
        row
        for row in table.rows
        if row.kind != "published" and row.search and row.search.keys() == row.test.keys()
    ]
    tried = {row.candidate for row in known if row.kind == "aggregate"}
    # Rows may be one candidate under several names.
    return max(
        known,
        key=lambda row: (
            row.candidate in tried,
            *balance(row.search, row.unseen),
            row.kind == "balanced",
        ),
        default=None,
    )
