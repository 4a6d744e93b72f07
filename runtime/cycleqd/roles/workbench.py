"""A worker's tools with real models: weights, a warm engine and the tasks of one run."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch

from cycleqd.errors import CandidateError, EngineError
from cycleqd.evaluation.chat import load_chat
from cycleqd.evaluation.engine import Engine
from cycleqd.evaluation.engines import EngineKind, create_engine
from cycleqd.evaluation.engines.transformers import TransformersEngine
from cycleqd.evaluation.engines.vllm import VLLMEngine
from cycleqd.evaluation.evaluate import Outcomes, evaluate, evaluate_raced
from cycleqd.evaluation.sandbox import MOST_SLOTS, Container, Sandbox, check_containment
from cycleqd.evaluation.task import Task
from cycleqd.evaluation.tasks import load_task
from cycleqd.evolution.genome import Genome, base_genome
from cycleqd.manifest.model import Task as ManifestTask
from cycleqd.records import keys
from cycleqd.records.documents import (
    AnswersDocument,
    EvaluateEntry,
    FactorEntry,
    Failure,
    ResultDocument,
    Split,
    Telemetry,
    TuneOrder,
)
from cycleqd.roles.tuner import Tuner
from cycleqd.run.databases import StoredDatabases
from cycleqd.run.items import limit_of
from cycleqd.run.models import RevisionModels, RunModels
from cycleqd.run.revision import Revision
from cycleqd.run.store import RunStore
from cycleqd.tracing.attributes import CHECK_BASE, MATERIALIZE, START_ENGINE, TUNE
from cycleqd.tracing.spans import NO_SPANS, Spans
from cycleqd.weights.digest import DigestingIterator

log = logging.getLogger(__name__)

ENGINE_ATTEMPTS = 2
"""How often a candidate is tried, each time on a fresh engine, before it is held responsible."""


class ModelWorkbench:
    """Factors experts and evaluates candidates of one run.

    Args:
        run: the run's store.
        scratch: folder for downloads and factors, shared by the processes of one machine.
        device: where weights are materialised and the engine runs; None takes a GPU if there is
            one.
        spans: take the time of what is done for a candidate.
    """

    def __init__(
        self,
        run: RunStore,
        scratch: Path,
        device: str | None = None,
        spans: Spans = NO_SPANS,
    ) -> None:
        self._run = run
        self._spans = spans
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._models = RunModels(run, scratch, self._device)
        self._tasks: dict[tuple[int, str, Split], Task] = {}
        self._engine: Engine | None = None
        self._sandbox: Sandbox | None = None
        self._container = Container.of(os.environ)
        self._databases = StoredDatabases(
            run.objects, None if self._container is None else self._container.files
        )
        self._tuner = Tuner(run)

    def factor(self, entry: FactorEntry, revision: Revision) -> str:
        """Factor an expert's task vector into the store; returns the factors' digest."""
        return self._models.as_of(revision).factor(entry.expert)

    def evaluate(self, entry: EvaluateEntry, revision: Revision) -> ResultDocument:
        """Evaluate a candidate.

        An engine that fails is replaced and the candidate tried again. If it fails once more while
        the base model passes, the candidate is at fault and its result says so.

        Raises:
            EngineError: the base model fails too: this machine is broken, not the candidate.
        """
        self._models.check_genome(keys.genome(entry.candidate), entry.genome)
        if entry.tune is not None:
            self._models.check_genome(keys.begin(entry.candidate), entry.tune.begin)
        models = self._models.as_of(revision)
        cause: CandidateError | EngineError | None = None
        for _ in range(ENGINE_ATTEMPTS):
            try:
                if entry.tune is not None:
                    self._learn(entry.candidate, entry.tune, models)
                return self._evaluate(models.genome(entry.candidate), entry, models)
            except CandidateError as error:
                cause = error
                break
            except EngineError as error:
                log.warning("%s: the engine failed: %s", entry.candidate, error)
                cause = error
                self._drop_engine()
        assert cause is not None
        if isinstance(cause, EngineError):
            with self._spans.span(CHECK_BASE, {}):
                self._evaluate(base_genome(revision.layout), entry, models)
        return ResultDocument(
            entry=0,
            candidate=entry.candidate,
            failure=Failure(cause=type(cause).__name__, message=str(cause)),
            telemetry=Telemetry(worker=0, host="", seconds=0.0),
        )

    def models(self, revision: Revision) -> RevisionModels:
        """The weights of a revision as this bench opens them."""
        return self._models.as_of(revision)

    def ask(
        self, weights: Iterable[tuple[str, torch.Tensor]], split: Split, revision: Revision
    ) -> dict[str, Outcomes]:
        """What any weights of the run's architecture do on all items of a split, by task.

        Raises:
            EngineError: the engine failed.
            SandboxUnavailable: generated code cannot be contained on this machine.
        """
        models = self.models(revision)
        engine = self._ready_engine(models)
        engine.load(weights)
        return evaluate(engine, [self._task(name, split, models) for name in revision.tasks])

    def _learn(self, candidate: str, order: TuneOrder, models: RevisionModels) -> None:
        if self._run.objects.exists(keys.adapter(candidate)):
            return
        tasks = {name: self._task(name, "search", models) for name in models.revision.tasks}
        with self._trainable(models) as engine, self._spans.span(TUNE, {}):
            self._tuner.learn(candidate, order, models, engine, tasks)

    def close(self) -> None:
        """Release sandbox and engine, the quicker first."""
        if self._sandbox is not None:
            self._sandbox.close()
            self._sandbox = None
        self._databases.close()
        self._drop_engine()

    def _evaluate(
        self, genome: Genome, entry: EvaluateEntry, models: RevisionModels
    ) -> ResultDocument:
        engine = self._ready_engine(models)
        tasks = [self._asked(name, entry, models) for name in entry.tasks]
        start = time.monotonic()
        tensors = DigestingIterator(models.materializer.tensors(genome))
        with self._spans.span(MATERIALIZE, {}):
            engine.load(tensors)
        materialized = time.monotonic()
        outcomes, stopped = self._outcomes(engine, tasks, entry, models)
        graded = time.monotonic()
        if entry.split == "search":
            self._keep_answers(entry, outcomes)
        return ResultDocument(
            entry=0,
            candidate=entry.candidate,
            scores={name: outcome.score for name, outcome in outcomes.items()},
            outcomes={name: outcome.solved for name, outcome in outcomes.items()},
            stopped=stopped,
            digest=tensors.digest,
            telemetry=Telemetry(
                worker=0,
                host="",
                seconds=0.0,
                materialize_seconds=materialized - start,
                evaluate_seconds=graded - materialized,
                containment=self._sandbox.contained_by if self._sandbox is not None else None,
            ),
        )

    def _asked(self, name: str, entry: EvaluateEntry, models: RevisionModels) -> Task:
        """A task with the items that an entry asks."""
        task = self._task(name, entry.split, models)
        first = entry.first_items.get(name, 0)
        return task.part(range(first, len(task.ids))) if first else task

    def _outcomes(
        self, engine: Engine, tasks: list[Task], entry: EvaluateEntry, models: RevisionModels
    ) -> tuple[dict[str, Outcomes], bool]:
        """Outcomes by task, and whether the candidate was stopped after its first items."""
        race, order = models.revision.race, entry.race
        if race is None or order is None:
            return evaluate(engine, tasks, self._spans), False
        first = {task.name: race.first(task.name, len(task.ids)) for task in tasks}
        return evaluate_raced(engine, tasks, first, partial(race.is_lost, order), self._spans)

    def _keep_answers(self, entry: EvaluateEntry, outcomes: Mapping[str, Outcomes]) -> None:
        """Store what was proved, before the result says so: a result is never without it.

        Of two workers with one entry the first one's answers stay; both have passed their checks.
        """
        document = AnswersDocument(
            candidate=entry.candidate,
            answers={name: dict(outcome.answers) for name, outcome in outcomes.items()},
        )
        key = keys.answers(entry.candidate, entry.revisit)
        self._run.objects.create(key, document.to_bytes())

    @contextmanager
    def _trainable(self, models: RevisionModels) -> Iterator[TransformersEngine]:
        """An engine whose model can be trained: the warm one, or another while that one sleeps."""
        warm = self._ready_engine(models)
        if isinstance(warm, TransformersEngine):
            yield warm
            return
        assert isinstance(warm, VLLMEngine)
        with warm.asleep():
            engine = self._create_engine("transformers", models)
            assert isinstance(engine, TransformersEngine)
            try:
                yield engine
            finally:
                engine.close()

    def _ready_engine(self, models: RevisionModels) -> Engine:
        if self._engine is None:
            self._engine = self._create_engine(models.revision.engine, models)
        return self._engine

    def _create_engine(self, kind: EngineKind, models: RevisionModels) -> Engine:
        spec = models.revision.spec
        with self._spans.span(START_ENGINE, {"cycleqd.engine": kind}):
            return create_engine(
                kind,
                models.base.folder,
                dtype=spec.evaluation.dtype,
                threads=spec.workers.threads,
                max_model_len=spec.evaluation.max_model_len,
                gpu_memory_utilization=spec.evaluation.gpu_memory_utilization,
                device=self._device,
                sleeps=spec.evolution.tune is not None,
            )

    def _drop_engine(self) -> None:
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def _ready_sandbox(self) -> Sandbox:
        if self._sandbox is None:
            self._sandbox = Sandbox(slots=MOST_SLOTS, container=self._container)
            # As the manifest says now, whichever revision an entry belongs to.
            if self._run.latest().spec.evaluation.sandbox == "Require":
                check_containment(self._sandbox)
        return self._sandbox

    def _task(self, name: str, split: Split, models: RevisionModels) -> Task:
        revision = models.revision
        known = self._tasks.get((revision.number, name, split))
        if known is not None:
            return known
        spec = next(task for task in revision.spec.tasks if task.name == name)
        with self._run.items_file(revision, name, split) as path:
            task = load_task(
                name,
                spec.type,
                path,
                max_new_tokens=spec.max_new_tokens,
                stop=spec.stop,
                limit=limit_of(spec, split),
                timeout_seconds=spec.timeout_seconds,
                memory_mib=revision.spec.evaluation.memory_limit_mib,
                sandbox=self._ready_sandbox(),
                settings=spec.settings,
                chat=self._chat(spec, models) if spec.chat else None,
                databases=self._databases,
            )
        self._tasks[revision.number, name, split] = task
        return task

    def _chat(self, spec: ManifestTask, models: RevisionModels) -> Callable[[str], str]:
        source = spec.chat_template_from
        template = None if source is None else self._run.chat_template(source)
        return load_chat(models.base.folder, template=template, system=spec.system_message)
