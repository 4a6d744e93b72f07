"""The coordinator: the only planner of a run, restartable at any instruction.

It owns no state of its own. Each `Coordinator.step` looks at the store, commits the generations
whose results are complete, plans those that may be planned, and closes the run with the held-out
comparison; then it can be killed. What it writes is a pure function of what is stored
(`cycleqd.evolution.search`), so a second coordinator, or the same one after a crash, writes the
same bytes, and a create that finds its object already there has nothing left to do.

::

    plan g  <-  archive of max(0, g - pipelineDepth)
    archive g  <-  archive of g - 1, results of plan g
    final  <-  archive of the last generation, or of the first that reaches the goal
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from cycleqd.errors import RunFailed, StoreCorrupt
from cycleqd.evolution.final import finalists, new_genomes, summarise
from cycleqd.evolution.genome import Genome, as_parent, expert_genome
from cycleqd.evolution.goal import has_ended
from cycleqd.evolution.search import (
    Commit,
    ask,
    expert_order,
    first_commit,
    numbers_of,
    read_generation,
    tell,
)
from cycleqd.evolution.strategies import make_strategy
from cycleqd.manifest.model import Manifest
from cycleqd.records import keys
from cycleqd.records.documents import (
    ArchiveDocument,
    EvaluateEntry,
    FactorEntry,
    PlanDocument,
    ResultDocument,
    SummaryDocument,
)
from cycleqd.records.keys import Stage
from cycleqd.run.store import Position, RunStore
from cycleqd.store.base import ObjectStore

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
class Progress(Position):
    """Where a run stands, and what is under way.

    Attributes:
        stages: planned and not yet committed, oldest first.
    """

    stages: tuple[StageProgress, ...]

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
        runs: the run's store; ``run.json`` is there.
    """

    def __init__(self, runs: RunStore) -> None:
        self._runs = runs
        self._objects = runs.objects
        self.manifest: Manifest = runs.manifest()
        self._strategy = make_strategy(self.manifest.spec, runs.layout)
        self._commits: dict[int, Commit] = {}
        self._documents: dict[int, ArchiveDocument] = {}
        self._plans: dict[Stage, PlanDocument] = {}
        self._committed = runs.committed()
        for number in range(max(0, self._committed - self._depth), self._committed + 1):
            document = runs.archive(number)
            if document is None:
                raise StoreCorrupt(
                    f"{self._objects.uri}: generation {number} has no archive, yet a later one has"
                )
            self._remember(number, document)

    @property
    def _depth(self) -> int:
        return self.manifest.spec.evolution.pipeline_depth

    @property
    def _generations(self) -> int:
        return self.manifest.spec.evolution.generations

    @property
    def _tasks(self) -> tuple[str, ...]:
        return tuple(task.name for task in self.manifest.spec.tasks)

    def step(self) -> Progress:
        """Do everything that can be done now.

        Raises:
            RunFailed: the run gave up.
            StoreError: the store failed; nothing is lost.
        """
        while not self._ended() and self._commit_next():
            pass
        summary = None
        stages: list[Stage] = []
        if self._ended():
            summary = self._finish()
            if summary is None:
                stages = [keys.final(self._committed)]
        elif self._committed < 0:
            stages = [self._plan_first()]
        else:
            last = min(self._committed + self._depth, self._generations)
            stages = [self._plan(number) for number in range(self._committed + 1, last + 1)]
        return Progress(
            generation=self._committed,
            generations=self._generations,
            archive=self._documents.get(self._committed),
            ended=self._ended(),
            summary=summary,
            stages=tuple(self._stage_progress(stage) for stage in stages),
        )

    def _ended(self) -> bool:
        return has_ended(self.manifest.spec, self._documents.get(self._committed))

    def _stage_progress(self, stage: Stage) -> StageProgress:
        finished = len(self._runs.finished_entries(stage))
        return StageProgress(stage, len(self._plans[stage].entries), finished)

    def _remember(self, number: int, document: ArchiveDocument) -> None:
        self._documents[number] = document
        self._commits[number] = Commit.from_document(document, self._tasks)
        for old in [n for n in self._commits if n < number - self._depth]:
            del self._commits[old], self._documents[old]

    # Plans

    def _plan_of(self, stage: Stage) -> PlanDocument | None:
        plan = self._plans.get(stage) or self._runs.plan(stage)
        if plan is not None:
            self._plans[stage] = plan
        return plan

    def _store_plan(self, stage: Stage, plan: PlanDocument, genomes: Mapping[str, Genome]) -> None:
        """Genomes first: a worker that sees the plan finds all it names."""
        for candidate, genome in genomes.items():
            create_same(self._objects, keys.genome(candidate), genome.to_bytes())
        create_same(self._objects, stage.plan_key, plan.to_bytes())
        self._plans[stage] = plan

    def _plan_first(self) -> Stage:
        stage = keys.generation(0)
        if self._plan_of(stage) is None:
            plan, genomes = first_plan(self.manifest, self._runs)
            self._store_plan(stage, plan, genomes)
        return stage

    def _plan(self, number: int) -> Stage:
        stage = keys.generation(number)
        if self._plan_of(stage) is None:
            commit = self._commits[read_generation(number, self.manifest.spec)]
            plan, genomes = self.make_plan(number, commit)
            self._store_plan(stage, plan, genomes)
        return stage

    def make_plan(self, number: int, commit: Commit) -> tuple[PlanDocument, dict[str, Genome]]:
        """The plan of a generation from 1 on and its genomes by candidate id; writes nothing."""
        proposals = ask(
            self._strategy,
            commit.state,
            numbers_of(number, self.manifest.spec),
            self._parent,
        )
        genomes = {keys.child(p.number): p.genome for p in proposals}
        entries = tuple(
            EvaluateEntry(
                candidate=keys.child(p.number),
                genome=genome_digest(p.genome),
                split="search",
                tasks=self._tasks,
                focus=p.focus,
                parents=p.parents,
            )
            for p in proposals
        )
        return PlanDocument(entries=entries), genomes

    def make_final_plan(self, commit: Commit) -> tuple[PlanDocument, dict[str, Genome]]:
        """The plan of the held-out comparison and its new genomes; writes nothing."""
        fresh = new_genomes(self.manifest.spec, self._runs.layout, commit, self._parent)
        candidates = dict.fromkeys(row.candidate for row in finalists(self.manifest.spec, commit))
        entries = tuple(
            EvaluateEntry(
                candidate=candidate,
                genome=genome_digest(fresh.get(candidate) or self._runs.genome(candidate)),
                split="test",
                tasks=self._tasks,
            )
            for candidate in candidates
        )
        return PlanDocument(entries=entries), fresh

    def _parent(self, candidate: str) -> Genome:
        return as_parent(candidate, self._runs.genome(candidate))

    # Commits

    def _results(self, stage: Stage) -> list[ResultDocument] | None:
        """All results of a planned stage, None while one is missing."""
        plan = self._plan_of(stage)
        if plan is None:
            return None
        indices = range(len(plan.entries))
        if not self._runs.finished_entries(stage).issuperset(indices):
            return None
        return self._runs.results(stage, indices)

    def _commit_next(self) -> bool:
        number = self._committed + 1
        stage = keys.generation(number)
        results = self._results(stage)
        if results is None:
            return False
        commit = self.make_commit(results, self._commits.get(number - 1))
        document = commit.document()
        create_same(self._objects, stage.commit_key, document.to_bytes())
        self._committed = number
        self._remember(number, document)
        del self._plans[stage]
        return True

    def make_commit(self, results: list[ResultDocument], previous: Commit | None) -> Commit:
        """The state after a generation; writes nothing.

        Raises:
            RunFailed: an expert, or too many candidates, could not be evaluated.
        """
        if previous is None:
            for result in results:
                if result.candidate is None and result.failure is not None:
                    raise RunFailed(f"factoring failed: {result.failure.message}")
            evaluated = [r for r in results if r.candidate is not None]
            return first_commit(self.manifest.spec, evaluated)
        return tell(previous, results, self.manifest.spec.evolution.max_failed_candidates)

    def _finish(self) -> SummaryDocument | None:
        """The final table, planned first where it is not."""
        summary = self._runs.summary(self._committed)
        if summary is not None:
            return summary
        stage = keys.final(self._committed)
        commit = self._commits[self._committed]
        if self._plan_of(stage) is None:
            self._store_plan(stage, *self.make_final_plan(commit))
        results = self._results(stage)
        if results is None:
            return None
        summary = self.make_summary(commit, results)
        create_same(self._objects, stage.commit_key, summary.to_bytes())
        del self._plans[stage]
        return summary

    def make_summary(self, commit: Commit, results: list[ResultDocument]) -> SummaryDocument:
        """The final table from the results of the final plan; writes nothing."""
        by_candidate = {r.candidate: r for r in results if r.candidate is not None}
        spec = self.manifest.spec
        return summarise(spec, commit.generation, finalists(spec, commit), by_candidate)


def genome_digest(genome: Genome) -> str:
    """SHA-256 of a genome's file, in hexadecimal."""
    return hashlib.sha256(genome.to_bytes()).hexdigest()


def first_plan(manifest: Manifest, runs: RunStore) -> tuple[PlanDocument, dict[str, Genome]]:
    """The plan of generation 0: factor the experts where genomes use directions, evaluate all."""
    layout = runs.layout
    tasks = tuple(task.name for task in manifest.spec.tasks)
    factors: list[FactorEntry | EvaluateEntry] = []
    if layout.directions:
        factors = [FactorEntry(expert=expert.name) for expert in manifest.spec.experts]
    names = [expert.name for expert in manifest.spec.experts]
    genomes = {
        candidate: expert_genome(layout, name)
        for candidate, name in zip(expert_order(manifest.spec), names, strict=True)
    }
    evaluations = [
        EvaluateEntry(candidate=candidate, genome=genome_digest(g), split="search", tasks=tasks)
        for candidate, g in genomes.items()
    ]
    return PlanDocument(entries=(*factors, *evaluations)), genomes
