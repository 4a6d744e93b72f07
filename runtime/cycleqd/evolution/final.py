"""The held-out comparison: who takes part, and the table with its errors.

Everything is chosen on the search split; the test split is looked at once. Beside the paper's rows
(base, experts, uniform merge, aggregate) stand the best member of each archive and the *balanced*
member, the one of highest geometric mean: a plain mean lets a search drop a skill.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum, sqrt
from typing import Literal

from cycleqd.evolution.aggregate import aggregate
from cycleqd.evolution.archive import Member
from cycleqd.evolution.genome import Genome, GenomeLayout, base_genome, expert_genome
from cycleqd.evolution.metrics import geometric_mean
from cycleqd.evolution.search import Commit
from cycleqd.evolution.strategies.uniform_merge import uniform_merge
from cycleqd.manifest.model import Spec
from cycleqd.records import keys
from cycleqd.records.documents import ResultDocument, SummaryDocument, SummaryRow

Kind = Literal["base", "expert", "uniform-merge", "best-of-task", "balanced", "aggregate"]


@dataclass(frozen=True)
class Finalist:
    """A row of the final table.

    Attributes:
        name: how the table calls it.
        kind: why it takes part.
        candidate: its id.
        search: its scores on the search split, empty where it is in no archive.
    """

    name: str
    kind: Kind
    candidate: str
    search: Mapping[str, float]


def balanced_member(commit: Commit) -> Member:
    """The archives' member of highest geometric mean; ties by mean, then by id."""
    members = {
        member.candidate: member
        for archive in commit.state.archives.values()
        for member in archive.cells.values()
    }
    return min(
        members.values(),
        key=lambda m: (
            -geometric_mean(m.scores.values()),
            -fsum(m.scores.values()),
            m.candidate,
        ),
    )


def finalists(spec: Spec, commit: Commit) -> list[Finalist]:
    """The rows of the table, in its order."""
    seen = {
        member.candidate: member.scores
        for archive in commit.state.archives.values()
        for member in archive.cells.values()
    }
    rows = [Finalist("base", "base", keys.BASE_CANDIDATE, {})]
    for expert in spec.experts:
        candidate = keys.expert(expert.name)
        rows.append(Finalist(f"expert {expert.name}", "expert", candidate, seen.get(candidate, {})))
    rows.append(Finalist("uniform merge", "uniform-merge", keys.UNIFORM_MERGE_CANDIDATE, {}))
    for task, archive in commit.state.archives.items():
        best = archive.ranked()[0]
        rows.append(Finalist(f"best of {task}", "best-of-task", best.candidate, best.scores))
    balanced = balanced_member(commit)
    rows.append(Finalist("balanced member", "balanced", balanced.candidate, balanced.scores))
    candidate = keys.aggregate(commit.generation)
    rows.append(Finalist("aggregate", "aggregate", candidate, {}))
    return rows


def new_genomes(
    spec: Spec, layout: GenomeLayout, commit: Commit, genome_of: Callable[[str], Genome]
) -> dict[str, Genome]:
    """Genomes of the finalists that are no members of the population, by candidate id."""
    genomes = {
        keys.BASE_CANDIDATE: base_genome(layout),
        keys.UNIFORM_MERGE_CANDIDATE: uniform_merge(layout),
        keys.aggregate(commit.generation): aggregate(
            commit.state.archives, spec.evolution.aggregate, genome_of
        ),
    }
    for expert in spec.experts:
        genomes[keys.expert(expert.name)] = expert_genome(layout, expert.name)
    return genomes


def _solved(outcomes: str) -> list[float]:
    return [1.0 if mark == "1" else 0.0 for mark in outcomes]


def _mean_and_error(columns: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Mean over tasks of the mean over items, and its standard error over items."""
    means, variances = [], []
    for column in columns:
        mean = fsum(column) / len(column)
        spread = fsum((value - mean) ** 2 for value in column)
        means.append(mean)
        variances.append(spread / max(1, len(column) - 1) / len(column))
    return fsum(means) / len(means), sqrt(fsum(variances)) / len(columns)


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
    reference = results[keys.UNIFORM_MERGE_CANDIDATE]
    table: list[SummaryRow] = []
    for row in rows:
        result = results[row.candidate]
        if result.failure is not None:
            continue
        solved = {task: _solved(result.outcomes[task]) for task in tasks}
        mean, error = _mean_and_error([solved[task] for task in tasks])
        gain = gain_error = None
        if reference.failure is None and row.kind != "uniform-merge":
            difference = [
                [a - b for a, b in zip(solved[t], _solved(reference.outcomes[t]), strict=True)]
                for t in tasks
            ]
            gain, gain_error = _mean_and_error(difference)
        table.append(
            SummaryRow(
                name=row.name,
                kind=row.kind,
                candidate=row.candidate,
                search=dict(row.search),
                test=dict(result.scores),
                mean=mean,
                minimum=min(result.scores[task] for task in tasks),
                standard_error=error,
                gain=gain,
                gain_error=gain_error,
            )
        )
    return SummaryDocument(generations=generations, rows=tuple(table))
