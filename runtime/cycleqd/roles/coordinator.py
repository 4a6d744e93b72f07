"""The coordinator: the only planner of a run, restartable at any instruction.

It owns no state of its own. Each `Coordinator.step` looks at the store, commits the generations
whose results are complete, plans those that may be planned, and closes the run with the held-out
comparison; then it can be killed. What it writes is a pure function of what is stored
(`cycleqd.run.planning`), so a second coordinator, or the same one after a crash, writes the same
bytes, and a create that finds its object already there has nothing left to do. A change of the
manifest that was accepted takes effect at the next step.

::

    plan g  <-  archive of max(0, g - pipelineDepth), results up to it
    archive g  <-  archive of g - 1, results of plan g
    final  <-  archive of the last generation, or of the first that reaches the goal; and that of
               the generation before anybody joins
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from cycleqd.errors import StoreCorrupt
from cycleqd.evolution.goal import has_ended
from cycleqd.evolution.search import Commit, read_generation
from cycleqd.manifest.model import Spec
from cycleqd.records import keys
from cycleqd.records.documents import ArchiveDocument, PlanDocument, ResultDocument
from cycleqd.records.final_table import SummaryDocument
from cycleqd.records.keys import Stage
from cycleqd.run import planning
from cycleqd.run.planning import Plan
from cycleqd.run.revision import Revision
from cycleqd.run.revisiting import Revisiting, revisiting
from cycleqd.run.store import Position, RunStore
from cycleqd.run.told import ToldResults
from cycleqd.store.base import ObjectStore
from cycleqd.tracing.attributes import of_plan, of_results
from cycleqd.tracing.roots import TracedRun
from cycleqd.tracing.spans import NO_SPANS, Spans
from cycleqd.tracing.stages import StageSpans

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StageProgress:
    """A planned stage that is not committed.

    Attributes:
        stage: where it is stored.
        entries: number of planned entries.
        finished: how many have a result.
    """

    stage: Stage
    entries: int
    finished: int


@dataclass(frozen=True)
class RunProgress(Position):
    """Where a run stands, and what is under way.

    Attributes:
        stages: planned and not yet committed, oldest first.
        revision: the accepted change that the last committed generation is of.
        accepted: the one that was accepted last, maybe of the future.
        revisiting: the next generation, where somebody joins in it and it is planned.
    """

    stages: tuple[StageProgress, ...]
    revision: Revision
    accepted: Revision
    revisiting: Revisiting | None

    @property
    def finished_entries(self) -> int:
        """Results of stages that are not yet committed."""
        return sum(stage.finished for stage in self.stages)


def create_same(store: ObjectStore, key: str, data: bytes) -> None:
    """Create an object whose content follows from its name.

    Raises:
        StoreCorrupt: it is there with other content, so one of the two writers is wrong.
    """
    if not store.create(key, data) and store.read(key) != data:
        raise StoreCorrupt(
            f"{store.uri}/{key}: already there with other content than this version of cycleqd "
            "computes from the same inputs; `cycleqd verify` tells which object differs first"
        )


class Coordinator:
    """Plans and commits one run.

    Args:
        run: the run's store; ``run.json`` is there.
        spans: take the time of plans, commits and stages.
    """

    def __init__(self, run: RunStore, spans: Spans = NO_SPANS) -> None:
        self._run = run
        self._traced = StageSpans(spans, TracedRun(run.document.run_id, run.objects.uri))
        self._objects = run.objects
        self._told = ToldResults(run)
        self._commits: dict[int, Commit] = {}
        self._documents: dict[int, ArchiveDocument] = {}
        self._plans: dict[Stage, PlanDocument] = {}
        self._measured: set[int] = set()
        self._committed = run.committed()
        for number in range(max(0, self._committed - self._depth), self._committed + 1):
            self._remember(number, run.committed_archive(number))

    @property
    def _spec(self) -> Spec:
        """What is in force now: how long the run goes on."""
        return self._run.history.latest().spec

    @property
    def _depth(self) -> int:
        return self._spec.evolution.pipeline_depth

    def step(self) -> RunProgress:
        """Do everything that can be done now.

        Raises:
            RunFailed: the run gave up.
            StoreError: the store failed; nothing is lost.
        """
        self._run.history.refresh()
        while not self._ended() and self._commit_next():
            pass
        generations = self._spec.evolution.generations
        summary = None
        stages = self._before_joining()
        if self._ended():
            if not stages and (summary := self._summarise(self._committed)) is None:
                stages = [keys.final(self._committed)]
        elif self._committed < 0:
            stages.append(self._plan(0))
        else:
            last = min(self._committed + self._depth, generations)
            stages += self._plan_up_to(last)
        finished = {stage: self._run.finished_entries(stage) for stage in stages}
        return RunProgress(
            generation=self._committed,
            generations=generations,
            archive=self._documents.get(self._committed),
            ended=self._ended(),
            summary=summary,
            stages=tuple(
                StageProgress(stage, len(self._plans[stage].entries), len(found))
                for stage, found in finished.items()
            ),
            revision=self._run.history.as_of(self._committed),
            accepted=self._run.history.latest(),
            revisiting=self._revisiting(finished),
        )

    def _ended(self) -> bool:
        return has_ended(self._spec, self._documents.get(self._committed))

    def _revisiting(self, finished: Mapping[Stage, set[int]]) -> Revisiting | None:
        """How far the next generation is, where somebody joins in it and it is planned."""
        number = self._committed + 1
        stage, revision = keys.generation(number), self._run.history.as_of(number)
        if number not in revision.joins or stage not in finished:
            return None
        before = self._run.history.as_of(self._committed)
        return revisiting(before, revision, self._plans[stage], finished[stage])

    def _remember(self, number: int, document: ArchiveDocument) -> None:
        tasks = self._run.history.as_of(number).tasks
        self._documents[number] = document
        self._commits[number] = Commit.from_document(document, tasks)
        for old in [n for n in self._commits if n < number - self._depth]:
            del self._commits[old], self._documents[old]

    # Plans

    def _plan_of(self, stage: Stage) -> PlanDocument | None:
        plan = self._plans.get(stage) or self._run.plan(stage)
        if plan is not None:
            self._plans[stage] = plan
            self._traced.begin(stage)
        return plan

    def _store_plan(self, stage: Stage, make: Callable[[], Plan]) -> None:
        """Genomes first: a worker that sees the plan finds all it names."""
        with self._traced.doing("plan", stage) as span:
            plan = make()
            for key, content in plan.files():
                create_same(self._objects, key, content)
            create_same(self._objects, stage.plan_key, plan.document.to_bytes())
            span.tell(of_plan(plan.document))
        self._plans[stage] = plan.document

    def _plan_up_to(self, last: int) -> Iterator[Stage]:
        """Plan what is not committed, as far as what it reads is."""
        for number in range(self._committed + 1, last + 1):
            if self._reads(number) > self._committed:
                return
            yield self._plan(number)

    def _reads(self, number: int) -> int:
        revision = self._run.history.as_of(number)
        return read_generation(number, revision.spec, revision.joins)

    def _plan(self, number: int) -> Stage:
        stage = keys.generation(number)
        if self._plan_of(stage) is None:
            self._store_plan(stage, partial(self._made_plan, number))
        return stage

    def _made_plan(self, number: int) -> Plan:
        history, genome = self._run.history, self._run.genome
        revision = history.as_of(number)
        if number == 0:
            return planning.first_plan(revision)
        commit = self._commits[self._reads(number)]
        if number in revision.joins:
            return planning.join_plan(history.as_of(number - 1), revision, number, commit, genome)
        told = self._told.up_to(commit.generation)
        return planning.make_plan(revision, number, commit, genome, told)

    # Commits

    def _results(self, stage: Stage) -> list[ResultDocument] | None:
        """All results of a planned stage, None while one is missing."""
        plan = self._plan_of(stage)
        if plan is None:
            return None
        indices = range(len(plan.entries))
        if not self._run.finished_entries(stage).issuperset(indices):
            return None
        return self._run.results(stage, indices)

    def _commit_next(self) -> bool:
        number = self._committed + 1
        stage = keys.generation(number)
        results = self._results(stage)
        if results is None:
            return False
        history = self._run.history
        revision = history.as_of(number)
        before = history.as_of(number - 1) if number in revision.joins else None
        known = self._told.experts(number - 1) if before is not None else ()
        last = self._commits.get(number - 1)
        with self._traced.doing("commit", stage):
            commit = planning.make_commit(revision, results, last, before, known)
            document = commit.document()
            create_same(self._objects, stage.commit_key, document.to_bytes())
        follows = None if number == 0 else keys.generation(self._reads(number))
        self._traced.end(stage, of_results(results), follows)
        self._committed = number
        self._remember(number, document)
        del self._plans[stage]
        return True

    # Final tables

    def _before_joining(self) -> list[Stage]:
        """The final table before somebody joins, while it is open: what was known until then.

        One at a time, as each is compared with the one before.
        """
        for joined in self._run.history.latest().joins:
            number = joined - 1
            if number > self._committed:
                break
            if number not in self._measured:
                if self._summarise(number) is None:
                    return [keys.final(number)]
                self._measured.add(number)
        return []

    def _summarise(self, number: int) -> SummaryDocument | None:
        """The final table of a committed generation, planned first where it is not."""
        summary = self._run.summary(number)
        if summary is not None:
            return summary
        stage = keys.final(number)
        revision = self._run.history.as_of(number)
        commit = self._commits.get(number) or Commit.from_document(
            self._run.committed_archive(number), revision.tasks
        )
        before = self._run.summary_before(number)
        if self._plan_of(stage) is None:
            genome = self._run.genome
            make = partial(planning.make_final_plan, revision, commit, genome, before)
            self._store_plan(stage, make)
        results = self._results(stage)
        if results is None:
            return None
        with self._traced.doing("commit", stage):
            summary = planning.make_summary(revision, commit, results, before)
            create_same(self._objects, stage.commit_key, summary.to_bytes())
        self._traced.end(stage, of_results(results), keys.generation(number))
        del self._plans[stage]
        return summary
