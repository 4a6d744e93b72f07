"""Which entry a worker does next: ownership by index, without leases or clocks.

Worker ``i`` of ``N`` takes the unfinished entries with ``index % N == i``, oldest stage first. With
none left it helps with the others' oldest ones. A result is created only if absent, so a duplicate
costs time, never truth; a dead worker's share is done by the rest, and a resize needs no hand-over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cycleqd.evolution.goal import has_ended
from cycleqd.manifest.model import Spec
from cycleqd.records import keys
from cycleqd.records.documents import ArchiveDocument, Entry, PlanDocument
from cycleqd.records.keys import Stage
from cycleqd.run.revision import Revision
from cycleqd.run.store import RunStore


@dataclass(frozen=True)
class Work:
    """An entry to do.

    Attributes:
        stage: where it stands.
        index: its index in the plan.
        entry: the entry.
        own: whether it belongs to the worker that asked.
    """

    stage: Stage
    index: int
    entry: Entry
    own: bool


def choose(
    missing: Sequence[tuple[Stage, int]], worker: int, workers: int
) -> tuple[tuple[Stage, int], bool] | None:
    """The entry to do next.

    Args:
        missing: unfinished entries, oldest stage first, by index within a stage.
        worker: index of the worker.
        workers: number of workers.

    Returns:
        The entry and whether it is the worker's own, or None when nothing is missing. Helpers start
        at different entries, so that several of them rarely do the same.
    """
    for stage, index in missing:
        if index % workers == worker % workers:
            return (stage, index), True
    if missing:
        return missing[worker % len(missing)], False
    return None


class EntryQueue:
    """The open stages of a run as one worker sees them.

    Looking is cheap, as hundreds of workers do it: what cannot have changed is not read again, and
    stages are listed one by one, only until an entry of one's own is found.

    Args:
        run: the run's store.
        worker: index of the worker.
        workers: number of workers.
        only: the stage to work on; None for all of the run.
    """

    def __init__(self, run: RunStore, worker: int, workers: int, only: Stage | None = None) -> None:
        self._run = run
        self._worker = worker
        self._workers = workers
        self._only = only
        self._committed = run.committed()
        self._archive: ArchiveDocument | None = None
        self._spec: Spec | None = None
        self._stages: list[Stage] = []
        self._ended = False
        self._plans: dict[Stage, PlanDocument] = {}
        self._made: set[Stage] = set()

    def next(self) -> Work | None:
        """The entry to do next, None while nothing is planned that is not done."""
        fresh = self._look()
        work = self._choose()
        if work is None and not fresh:
            self._spec = None  # before saying that nothing is left, see whether more is wanted
            self._look()
            work = self._choose()
        if work is None:
            self._spec = None
        return work

    def complete(self) -> bool:
        """Whether nothing is left for this worker: the run, or its one stage, is over.

        To be asked after `next` found no entry, on what that saw. A stage is also over when it is
        not open any more.
        """
        if self._only is not None:
            return self._is_over(self._only)
        final = keys.final(self._committed)
        return self._ended and self._run.objects.exists(final.commit_key)

    def _is_over(self, stage: Stage) -> bool:
        if stage in self._stages:
            return stage in self._plans
        if stage.is_final:
            return self._run.plan(stage) is not None
        return self._ended or stage.number <= self._committed

    def _choose(self) -> Work | None:
        missing: list[tuple[Stage, int]] = []
        for stage, plan in self._open_plans():
            found = [(stage, index) for index in self._missing(stage, plan)]
            chosen = choose(found, self._worker, self._workers)
            if chosen is not None and chosen[1]:
                return self._work(*chosen)
            missing += found
        chosen = choose(missing, self._worker, self._workers)
        return None if chosen is None else self._work(*chosen)

    def _work(self, place: tuple[Stage, int], own: bool) -> Work:
        stage, index = place
        return Work(stage, index, self._plans[stage].entries[index], own)

    def _missing(self, stage: Stage, plan: PlanDocument) -> list[int]:
        finished = self._run.finished_entries(stage)
        return [index for index in range(len(plan.entries)) if index not in finished]

    def _plan(self, stage: Stage) -> PlanDocument | None:
        if stage in self._plans:
            return self._plans[stage]
        plan = self._run.plan(stage)
        if plan is not None:
            # A plan may be made under a change that was accepted since the last look.
            self._run.history.refresh()
            self._plans[stage] = plan
        return plan

    def _look(self) -> bool:
        """Learn of commits, and then of a changed manifest; whether the manifest was read."""
        before = self._committed
        while self._run.objects.exists(keys.generation(self._committed + 1).commit_key):
            self._committed += 1
        if self._spec is not None and self._committed == before:
            return False
        revision = self._run.latest()
        self._spec = revision.spec
        self._stages = [*self._before_joining(revision), *self._open_stages(self._spec)]
        self._plans = {stage: plan for stage, plan in self._plans.items() if stage in self._stages}
        return True

    def _before_joining(self, revision: Revision) -> list[Stage]:
        """The final tables before somebody joins that are not made yet."""
        tables = [keys.final(joined - 1) for joined in revision.joins]
        due = [stage for stage in tables if stage.number <= self._committed]
        exists = self._run.objects.exists
        self._made |= {s for s in due if s not in self._made and exists(s.commit_key)}
        return [stage for stage in due if stage not in self._made]

    def _open_stages(self, spec: Spec) -> list[Stage]:
        """Stages that may be planned and are not committed, oldest first."""
        evolution = spec.evolution
        self._ended = self._committed >= evolution.generations
        if spec.goal is not None and self._committed >= 0:
            if self._archive is None or self._archive.generation != self._committed:
                self._archive = self._run.archive(self._committed)
            self._ended = has_ended(spec, self._archive)
        if self._ended:
            return [keys.final(self._committed)]
        if self._committed < 0:
            return [keys.generation(0)]
        last = min(self._committed + evolution.pipeline_depth, evolution.generations)
        return [keys.generation(number) for number in range(self._committed + 1, last + 1)]

    def _open_plans(self) -> Iterator[tuple[Stage, PlanDocument]]:
        """Plans of the open stages, oldest first."""
        for stage in self._stages:
            if self._only not in (None, stage):
                continue
            plan = self._plan(stage)
            if plan is not None:
                yield stage, plan
            elif not stage.is_final:
                return  # generations are planned in order
