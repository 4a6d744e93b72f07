"""From finished runs to the comparison's document and curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from cycleqd.compare.curves import Progress
from cycleqd.compare.documents import (
    ComparisonDocument,
    MethodRow,
    ModelScores,
    ReferenceScores,
    RunRow,
    SwarmScores,
)
from cycleqd.compare.held_out import HeldOut, OpenBench, open_workbench
from cycleqd.compare.preferences import preferred
from cycleqd.compare.reading import Reading, read_run
from cycleqd.compare.statistics import (
    Outcomes,
    averaged,
    mean,
    paired,
    scores_of,
    summarise,
)
from cycleqd.compare.trials import Say, Trial
from cycleqd.evolution.archive import Member, make_archives
from cycleqd.evolution.goal import total_coverage, total_qd_score
from cycleqd.evolution.metrics import hypervolume, mean_and_error
from cycleqd.records import keys


@dataclass(frozen=True)
class Comparison:
    """What is written.

    Attributes:
        document: all numbers.
        curves: by manifest, the progress of each of its runs.
    """

    document: ComparisonDocument
    curves: Mapping[str, Sequence[Progress]]


@dataclass(frozen=True)
class _Measured:
    """A run and the held-out outcomes of its candidates."""

    trial: Trial
    reading: Reading
    outcomes: Mapping[str, Outcomes]

    @property
    def balanced(self) -> Outcomes | None:
        return self.outcomes.get(self.reading.balanced)

    @property
    def aggregate(self) -> Outcomes | None:
        return self.outcomes.get(self.reading.aggregate)


def measure(
    trials: Sequence[Trial],
    folder: Path,
    counts: Mapping[str, int],
    *,
    limit: int | None = None,
    diversity: bool = False,
    steps: bool = False,
    open_bench: OpenBench = open_workbench,
    say: Say = lambda message: None,
) -> Comparison:
    """Evaluate the chosen models of finished runs on held-out items and compare.

    Args:
        trials: the runs, complete, manifests in their order, references last.
        folder: of the comparison; outcomes are kept there.
        counts: number of held-out items by task (`count_items`).
        limit: what they were counted with.
        diversity: evaluate every member of the archives too.
        steps: compare each manifest with the one before it too.
        open_bench: opens what evaluates a run's candidates.
        say: told of every evaluation.

    Raises:
        VerificationError: weights are not those that a run evaluated.
        SlotError: this machine cannot evaluate.
        StoreError: a store failed.
    """
    held_out = HeldOut(folder, counts, limit, open_bench, say)
    references = _references(trials[0])
    runs: list[_Measured] = []
    others: list[_Measured] = []
    for trial in trials:
        reading = read_run(trial.run)
        wanted = [reading.balanced]
        if not trial.reference:
            wanted.append(reading.aggregate)
            wanted += references.values() if trial is trials[0] else ()
            wanted += reading.members if diversity else ()
        found = held_out.outcomes(trial, reading, list(dict.fromkeys(wanted)))
        (others if trial.reference else runs).append(_Measured(trial, reading, found))
    by_name: dict[str, list[_Measured]] = {}
    for run in runs:
        by_name.setdefault(run.trial.name, []).append(run)
    rows = {run.trial.label: _row(run, diversity=diversity) for run in runs}
    first, *_ = by_name.values()
    models = [(name, c, runs[0].outcomes.get(c)) for name, c in references.items()]
    models += [(run.trial.name, run.reading.balanced, run.balanced) for run in others]
    document = ComparisonDocument(
        tasks=trials[0].run.latest().tasks,
        items=dict(counts),
        seeds=tuple(run.trial.seed for run in first),
        rows=tuple(rows.values()),
        references=tuple(
            _reference(name, candidate, outcomes, _balanced(first))
            for name, candidate, outcomes in models
            if outcomes is not None
        ),
        methods=tuple(
            _method(name, mine, first, [rows[run.trial.label] for run in mine])
            for name, mine in by_name.items()
        ),
        steps=tuple(
            _method(name, mine, before, [rows[run.trial.label] for run in mine])
            for (_, before), (name, mine) in pairwise(by_name.items())
        )
        if steps
        else (),
    )
    curves = {name: [run.reading.progress for run in mine] for name, mine in by_name.items()}
    return Comparison(document, curves)


def _references(trial: Trial) -> dict[str, str]:
    """Candidate ids of the models that no search has made, by name."""
    revision = trial.run.under_way()
    return {
        "base": keys.BASE_CANDIDATE,
        **{f"expert {e.name}": keys.expert(e.name) for e in revision.spec.experts},
        "uniform merge": keys.uniform_merge(revision.changed_experts),
    }


def _balanced(runs: Sequence[_Measured]) -> dict[int, Outcomes]:
    """By seed, the balanced members that could be evaluated."""
    return {run.trial.seed: o for run in runs if (o := run.balanced) is not None}


def _aggregates(runs: Sequence[_Measured]) -> dict[int, Outcomes]:
    """By seed, the aggregates that could be evaluated."""
    return {run.trial.seed: o for run in runs if (o := run.aggregate) is not None}


def _model(candidate: str, outcomes: Outcomes | None) -> ModelScores | None:
    if outcomes is None:
        return None
    scores = scores_of(outcomes)
    return ModelScores(
        candidate=candidate,
        scores=scores,
        mean=mean(scores.values()),
        min=min(scores.values()),
    )


def _reference(
    name: str, candidate: str, outcomes: Outcomes, balanced: Mapping[int, Outcomes]
) -> ReferenceScores:
    scores = scores_of(outcomes)
    average, error = mean_and_error([list(column) for column in outcomes.values()])
    gain = gain_error = None
    if balanced:
        gain, gain_error = paired(outcomes, averaged(balanced.values()))
    return ReferenceScores(
        name=name,
        candidate=candidate,
        scores=scores,
        mean=average,
        min=min(scores.values()),
        error=error,
        gain=gain,
        gain_error=gain_error,
    )


def _row(run: _Measured, *, diversity: bool) -> RunRow:
    reading = run.reading
    points = {
        member.candidate: [member.scores[axis.task] for axis in reading.commit.axes]
        for archive in reading.commit.state.archives.values()
        for member in archive.cells.values()
    }
    return RunRow(
        name=run.trial.name,
        seed=run.trial.seed,
        seconds=reading.progress.total,
        evaluations=reading.archive.evaluations,
        balanced=_model(reading.balanced, run.balanced),
        aggregate=_model(reading.aggregate, run.aggregate),
        qd_score=total_qd_score(reading.archive),
        coverage=total_coverage(reading.archive),
        hypervolume=reading.archive.hypervolume,
        members=len(points),
        preferred=preferred(points.values()),
        verified=None if reading.verified is None else dict(reading.verified),
        held_out=_swarm(run) if diversity else None,
    )


def _swarm(run: _Measured) -> SwarmScores:
    """The archives filled anew by their own members with the scores on held-out items."""
    archives = make_archives(run.reading.commit.axes)
    tasks = list(archives)
    points = []
    for candidate in run.reading.members:
        if candidate not in run.outcomes:
            continue
        scores = scores_of(run.outcomes[candidate])
        points.append([scores[task] for task in tasks])
        for archive in archives.values():
            archive.offer(Member(candidate, scores))
    cells = sum(archive.cell_count for archive in archives.values())
    return SwarmScores(
        qd_score=sum(archive.qd_score for archive in archives.values()),
        coverage=sum(len(archive.cells) for archive in archives.values()) / cells,
        hypervolume=hypervolume(points),
        members=len(points),
        preferred=preferred(points),
    )


def _method(
    name: str, runs: Sequence[_Measured], first: Sequence[_Measured], rows: Sequence[RunRow]
) -> MethodRow:
    others = runs is not first
    swarms = [row.held_out for row in rows if row.held_out is not None]
    return MethodRow(
        name=name,
        balanced=summarise(_balanced(runs), _balanced(first) if others else None),
        aggregate=summarise(_aggregates(runs), _aggregates(first) if others else None),
        seconds=mean([row.seconds for row in rows]),
        evaluations=mean([row.evaluations for row in rows]),
        qd_score=mean([row.qd_score for row in rows]),
        coverage=mean([row.coverage for row in rows]),
        hypervolume=mean([row.hypervolume for row in rows]),
        members=mean([row.members for row in rows]),
        preferred=mean([row.preferred for row in rows]),
        verified=_verified([row.verified for row in rows if row.verified is not None]),
        held_out=SwarmScores(
            qd_score=mean([swarm.qd_score for swarm in swarms]),
            coverage=mean([swarm.coverage for swarm in swarms]),
            hypervolume=mean([swarm.hypervolume for swarm in swarms]),
            members=mean([swarm.members for swarm in swarms]),
            preferred=mean([swarm.preferred for swarm in swarms]),
        )
        if swarms
        else None,
    )


def _verified(runs: Sequence[Mapping[str, Sequence[int]]]) -> tuple[float, ...] | None:
    """By generation, the mean over runs of the items of all tasks that somebody had solved."""
    if not runs:
        return None
    by_run = [[sum(now) for now in zip(*run.values(), strict=True)] for run in runs]
    return tuple(mean(now) for now in zip(*by_run, strict=True))
