"""``ask`` and ``tell``: the loop as pure functions of documents.

``ask(state, numbers) -> proposals`` and ``tell(state, results) -> state'`` know no clock, no store
and no machine, so a plan and a commit can be recomputed anywhere from what is stored
(``cycleqd verify`` does).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cycleqd.errors import RunFailed, TooManyFailedCandidates
from cycleqd.evolution.archive import Archive, Axis, Member, axis_from_experts, make_archives
from cycleqd.evolution.genome import Genome
from cycleqd.evolution.hold_out import NONE_HELD_OUT, HoldOut, hold_out_of
from cycleqd.evolution.metrics import hypervolume
from cycleqd.evolution.strategies import Proposal, SearchState, Strategy, Told
from cycleqd.manifest.model import Spec
from cycleqd.records import keys
from cycleqd.records.documents import (
    ArchiveDocument,
    ArchiveRecord,
    AxisRecord,
    FailedCandidate,
    MemberRecord,
    ResultDocument,
)


def ask(
    strategy: Strategy[Any],
    state: SearchState,
    numbers: Iterable[int],
    genome_of: Callable[[str], Genome],
) -> list[Proposal]:
    """The proposals of these candidate numbers."""
    proposals = (strategy.propose(number, state, genome_of) for number in numbers)
    return [proposal for proposal in proposals if proposal is not None]


@dataclass(frozen=True)
class Commit:
    """The state of the search after a generation."""

    generation: int
    evaluations: int
    candidates: int
    axes: tuple[Axis, ...]
    state: SearchState
    failed: tuple[FailedCandidate, ...]
    stopped: int = 0

    def document(self) -> ArchiveDocument:
        """The form stored as ``archive.json``."""
        members = {
            member.candidate: tuple(member.scores[axis.task] for axis in self.axes)
            for archive in self.state.archives.values()
            for member in archive.cells.values()
        }
        return ArchiveDocument(
            generation=self.generation,
            evaluations=self.evaluations,
            candidates=self.candidates,
            focus_experts=dict(self.state.focus_experts),
            axes={a.task: AxisRecord(lower=a.lower, upper=a.upper, bins=a.bins) for a in self.axes},
            archives={task: _record(a) for task, a in self.state.archives.items()},
            hypervolume=hypervolume(members.values()),
            failed=self.failed,
            stopped=self.stopped,
        )

    @classmethod
    def from_document(cls, document: ArchiveDocument, tasks: Sequence[str]) -> Commit:
        """The inverse of `document`; ``tasks`` gives the run's order."""
        axes = tuple(
            Axis(
                task, document.axes[task].lower, document.axes[task].upper, document.axes[task].bins
            )
            for task in tasks
        )
        archives = make_archives(axes)
        for task, archive in archives.items():
            for record in document.archives[task].members:
                archive.cells[record.cell] = Member(record.candidate, record.scores, record.unseen)
        return cls(
            generation=document.generation,
            evaluations=document.evaluations,
            candidates=document.candidates,
            axes=axes,
            state=SearchState(archives, document.focus_experts),
            failed=document.failed,
            stopped=document.stopped,
        )


def _record(archive: Archive) -> ArchiveRecord:
    return ArchiveRecord(
        members=tuple(
            MemberRecord(
                cell=cell,
                candidate=member.candidate,
                scores=dict(member.scores),
                unseen=dict(member.unseen),
            )
            for cell, member in archive.elites()
        ),
        coverage=archive.coverage,
        qd_score=archive.qd_score,
        best=archive.best,
    )


def failures(results: Iterable[ResultDocument]) -> tuple[FailedCandidate, ...]:
    """The candidates that could not be evaluated."""
    return tuple(
        FailedCandidate(
            candidate=result.candidate or "",
            cause=result.failure.cause,
            message=result.failure.message,
        )
        for result in results
        if result.failure is not None
    )


def first_commit(spec: Spec, results: Sequence[ResultDocument]) -> Commit:
    """Generation 0: the experts set the axes and are offered to every archive.

    Args:
        spec: the run.
        results: one result for each expert, in the manifest's order.

    Raises:
        RunFailed: an expert could not be evaluated.
    """
    for failed in failures(results):
        raise RunFailed(
            f"{failed.candidate} could not be evaluated ({failed.cause}: {failed.message}); "
            "every expert is needed. Mend its checkpoint and start again with another store"
        )
    settings = spec.archive
    scores = {task.name: [r.scores[task.name] for r in results] for task in spec.tasks}
    axes: list[Axis] = []
    for task in spec.tasks:
        if task.bounds is not None:
            axes.append(Axis(task.name, task.bounds.min, task.bounds.max, settings.bins))
            continue
        axes.append(
            axis_from_experts(
                task.name,
                scores[task.name],
                bins=settings.bins,
                lower_margin=settings.lower_margin,
                upper_margin=settings.upper_margin,
            )
        )
    archives = make_archives(axes)
    for result in results:
        _offer(archives, result, hold_out_of(spec))
    return Commit(
        generation=0,
        evaluations=len(results),
        candidates=0,
        axes=tuple(axes),
        state=SearchState(archives, focus_experts(spec, scores)),
        failed=(),
    )


def focus_experts(spec: Spec, scores: Mapping[str, Sequence[float]]) -> dict[str, str]:
    """For each task: the expert it names, else its namesake, else the first of the best.

    One that is retired is passed over.

    Args:
        spec: the run.
        scores: of the tasks that are wanted, the experts' in the manifest's order.
    """
    names = [expert.name for expert in spec.experts]
    chosen: dict[str, str] = {}
    for task in spec.tasks:
        if task.name not in scores:
            continue
        if task.expert in names:
            chosen[task.name] = task.expert
        elif task.name in names:
            chosen[task.name] = task.name
        else:
            own = scores[task.name]
            chosen[task.name] = names[own.index(max(own))]
    return chosen


def _offer(archives: Mapping[str, Archive], result: ResultDocument, hold_out: HoldOut) -> None:
    if result.candidate is not None and result.failure is None and not result.stopped:
        member = Member(result.candidate, result.scores, hold_out.scores(result.outcomes))
        for archive in archives.values():
            archive.offer(member)


def tell(
    previous: Commit,
    results: Sequence[ResultDocument],
    limit: int,
    hold_out: HoldOut = NONE_HELD_OUT,
) -> Commit:
    """The next generation: every result is offered to every archive, in the plan's order.

    The order decides between equals, so it is that of the entries, however the results come.

    Args:
        previous: the generation before.
        results: one for each entry of the plan, in any order.
        limit: ``maxFailedCandidates``.
        hold_out: the items that members' `Member.unseen` is of.

    Raises:
        TooManyFailedCandidates: more candidates failed than the limit allows.
    """
    results = sorted(results, key=lambda result: result.entry)
    failed = within_limit(previous, results, limit)
    archives = {task: archive.copy() for task, archive in previous.state.archives.items()}
    for result in results:
        _offer(archives, result, hold_out)
    return Commit(
        generation=previous.generation + 1,
        evaluations=previous.evaluations + len(results),
        candidates=previous.candidates + len(results),
        axes=previous.axes,
        state=SearchState(archives, previous.state.focus_experts),
        failed=failed,
        stopped=previous.stopped + sum(result.stopped for result in results),
    )


def within_limit(
    previous: Commit, results: Iterable[ResultDocument], limit: int
) -> tuple[FailedCandidate, ...]:
    """The candidates that could not be evaluated so far.

    Raises:
        TooManyFailedCandidates: they are more than ``maxFailedCandidates`` allows.
    """
    failed = (*previous.failed, *failures(results))
    if len(failed) > limit:
        last = failed[-1]
        raise TooManyFailedCandidates(
            f"{len(failed)} candidates could not be evaluated, more than "
            f"spec.evolution.maxFailedCandidates: {limit}; the last, {last.candidate}: "
            f"{last.cause}: {last.message}. Raise the limit to go on without them, or mend the "
            "cause and start a run in another store"
        )
    return failed


def as_told(results: Iterable[ResultDocument]) -> list[Told]:
    """What a strategy may know of a generation's results, in the plan's order."""
    ordered = sorted(results, key=lambda result: result.entry)
    return [Told(r.candidate, r.scores, r.outcomes) for r in ordered if r.candidate is not None]


def numbers_of(generation: int, spec: Spec, joins: Sequence[int] = ()) -> range:
    """Candidate numbers of a generation, from 1 on.

    Args:
        generation: its number.
        spec: the run.
        joins: the generations that experts or tasks join in; they have no numbers.
    """
    size = 0 if generation in joins else spec.evolution.candidates_per_generation
    before = generation - 1 - sum(joined < generation for joined in joins)
    start = before * spec.evolution.candidates_per_generation
    return range(start, start + size)


def generation_of(number: int, spec: Spec, joins: Sequence[int] = ()) -> int:
    """The generation that a child's number belongs to: the inverse of `numbers_of`."""
    generation = number // spec.evolution.candidates_per_generation + 1
    for joined in sorted(joins):
        generation += joined <= generation
    return generation


def read_generation(generation: int, spec: Spec, joins: Sequence[int] = ()) -> int:
    """The committed generation that the plan of ``generation`` reads.

    One that experts or tasks join in reads the one before, and those after it read nothing older.

    Args:
        generation: its number, from 1.
        spec: the run.
        joins: the generations that experts or tasks join in.
    """
    if generation in joins:
        return generation - 1
    oldest = max((joined for joined in joins if joined < generation), default=0)
    return max(oldest, generation - spec.evolution.pipeline_depth)


def expert_order(spec: Spec) -> list[str]:
    """Candidate ids of the experts in the manifest's order."""
    return [keys.expert(expert.name) for expert in spec.experts]
