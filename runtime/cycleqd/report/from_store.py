"""From a store to a report: fills `cycleqd.report.data.ReportData` from a run's documents."""

from __future__ import annotations

from pathlib import Path

from cycleqd.evolution.final import balanced_member, recommended
from cycleqd.evolution.knowledge import Solution
from cycleqd.evolution.metrics import geometric_mean
from cycleqd.evolution.search import Commit
from cycleqd.evolution.strategies import strategy_of
from cycleqd.manifest.model import Manifest, Spec
from cycleqd.records import keys
from cycleqd.records.documents import ArchiveDocument
from cycleqd.records.final_table import SummaryDocument
from cycleqd.report.data import (
    Ancestor,
    ExpertPoint,
    FailedCandidate,
    Family,
    FirstAnswer,
    HistoryRow,
    Recommendation,
    ReportData,
    RunFacts,
    TaskKnowledge,
)
from cycleqd.report.documents import archive_views, history_row, table_rows
from cycleqd.report.write import ReportPaths, write_report
from cycleqd.run.knowledge import what_is_known
from cycleqd.run.members import Members, resolve_member
from cycleqd.run.store import RunStore
from cycleqd.run.timeline import Timeline, timeline

SAMPLES = 3
"""Answers of each task that are shown."""


def write_run_report(run: RunStore, out: Path) -> ReportPaths:
    """Write a run's report from what is stored now.

    Args:
        run: the run; it may be unfinished.
        out: folder to fill.
    """
    return write_report(report_data(run), out)


def report_data(run: RunStore) -> ReportData:
    """Everything a report tells about a run."""
    asked = run.latest()
    committed = run.committed()
    revision = run.history.as_of(committed)
    spec, tasks = revision.spec, revision.tasks
    last: ArchiveDocument | None = None
    history: list[HistoryRow] = []
    for number in range(committed + 1):
        # All archives of a long life do not fit into memory at once.
        last = run.committed_archive(number)
        history.append(history_row(last))
    summary = run.position().summary
    knowledge, silent = _knowledge(run, committed) if last is not None else ((), 0)
    families = _families(run, tasks) if last is not None else ()
    return ReportData(
        run=_facts(run, asked.manifest, spec, last, summary),
        tasks=tasks,
        archives=archive_views(last, tasks) if last is not None else (),
        experts=_experts(run, spec),
        history=tuple(history),
        table=table_rows(summary),
        knowledge=knowledge,
        silent=silent,
        life=_life(run),
        recommendation=_recommendation(last, tasks, summary),
        ancestors=_ancestors(run, spec, [family.candidate for family in families]),
        families=families,
        failures=tuple(
            FailedCandidate(failed.candidate, failed.cause, failed.message)
            for failed in (last.failed if last is not None else ())
        ),
    )


def _facts(
    run: RunStore,
    asked: Manifest,
    spec: Spec,
    last: ArchiveDocument | None,
    summary: SummaryDocument | None,
) -> RunFacts:
    document, evolution = run.document, spec.evolution
    details = [
        ("experts", ", ".join(expert.name for expert in spec.experts)),
        *strategy_of(evolution).described(evolution),
        ("dtype", spec.evaluation.dtype),
    ]
    if last is not None:
        details.append(("hypervolume", f"{last.hypervolume:.3f}"))
    return RunFacts(
        name=asked.metadata.name,
        run_id=document.run_id,
        seed=spec.seed,
        engine=document.engine,
        base=document.base.uri,
        strategy=evolution.strategy,
        generation=last.generation if last is not None else -1,
        generations=asked.spec.evolution.generations,
        evaluations=last.evaluations if last is not None else 0,
        complete=summary is not None,
        store=run.objects.uri,
        stopped=last.stopped if last is not None else 0,
        details=tuple(details),
    )


def _experts(run: RunStore, spec: Spec) -> tuple[ExpertPoint, ...]:
    members = Members(run)
    scores = {e.name: members.scores(keys.expert(e.name)) for e in spec.experts}
    return tuple(ExpertPoint(name, found) for name, found in scores.items() if found)


def _recommendation(
    last: ArchiveDocument | None, tasks: tuple[str, ...], summary: SummaryDocument | None
) -> Recommendation | None:
    if last is None:
        return None
    if summary is None:
        member = balanced_member(Commit.from_document(last, tasks))
        name, candidate = "balanced member", member.candidate
        scores, unseen = member.scores, member.unseen
    else:
        row = recommended(summary)
        if row is None:
            return None
        name = "model published before" if row.kind == "published" else row.name
        candidate, scores, unseen = row.candidate, row.search, row.unseen
    return Recommendation(
        name,
        candidate,
        geometric_mean(scores.values()),
        geometric_mean(unseen.values()) if unseen else None,
    )


def _knowledge(run: RunStore, committed: int) -> tuple[tuple[TaskKnowledge, ...], int]:
    found, silent = what_is_known(run, committed)
    if not any(known.firsts for known in found.values()):
        return (), silent
    return tuple(
        TaskKnowledge(
            task=task,
            items=known.items,
            solved=known.solved,
            new=_first_answers(known.new()),
            alone=tuple(known.alone().items()),
            unsolved=known.unsolved,
            samples=_first_answers(known.samples(SAMPLES)),
            experts=len(known.by_experts),
        )
        for task, known in found.items()
    ), silent


def _life(run: RunStore) -> Timeline | None:
    if not run.latest().joins:
        return None
    life = timeline(run)
    return life if life.costs else None


def _first_answers(solutions: tuple[Solution, ...]) -> tuple[FirstAnswer, ...]:
    return tuple(FirstAnswer(s.item, s.candidate, s.generation, s.answer) for s in solutions)


def _families(run: RunStore, tasks: tuple[str, ...]) -> tuple[Family, ...]:
    """The best member of each archive and the balanced one, each candidate once."""
    titles = {resolve_member(run, "balanced"): "balanced member"}
    for task in tasks:
        titles.setdefault(resolve_member(run, f"best:{task}"), f"best in {task}")
    return tuple(Family(title, candidate) for candidate, title in titles.items())


def _ancestors(run: RunStore, spec: Spec, candidates: list[str]) -> dict[str, Ancestor]:
    members = Members(run)
    operators = strategy_of(spec.evolution).operators(spec.evolution)
    every = run.latest().manifest.spec.experts
    names = {keys.expert(expert.name): expert.name for expert in every}
    ancestors: dict[str, Ancestor] = {}
    for root in candidates:
        for candidate, parents in members.lineage(root).items():
            if candidate in ancestors:
                continue
            found = members.find_entry(candidate)
            if found is None:
                ancestors[candidate] = Ancestor(candidate, parents)
                continue
            generation, _, entry = found
            joined = keys.joined_in(candidate) is not None
            made = "a part of a new expert" if joined else f"{operators}, focus {entry.focus}"
            ancestors[candidate] = Ancestor(
                candidate=candidate,
                parents=parents,
                operator=made if parents else "",
                generation=generation,
                scores=members.scores(candidate),
                expert=names.get(candidate),
            )
    return ancestors
