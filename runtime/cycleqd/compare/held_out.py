"""Chosen models on held-out items: every set of weights once, kept in a file of its own.

A file's name is the digest of all that the outcomes depend on (`Subject`), so what is found there
fits whoever asks: the same weights in another run, the same command after a kill. What a run's own
final table has measured on the same items is taken from there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from cycleqd.compare.documents import HeldOutDocument, Subject
from cycleqd.compare.reading import Reading
from cycleqd.compare.statistics import Float64, outcomes_of
from cycleqd.compare.trials import Say, Trial
from cycleqd.errors import StoreCorrupt, VerificationError
from cycleqd.evaluation.tasks import read_items, skill_of
from cycleqd.manifest.model import Task
from cycleqd.manifest.schema import canonical
from cycleqd.records import keys
from cycleqd.records.documents import EvaluateEntry, Split
from cycleqd.roles.worker import Workbench
from cycleqd.run.items import limit_of
from cycleqd.run.revision import Revision
from cycleqd.run.store import RunStore
from cycleqd.run.unseen import check_unseen
from cycleqd.store.cache import cache_folder
from cycleqd.store.localfile import atomic_file, disk_errors, write_all

HELD_OUT = "held-out"

OpenBench = Callable[[RunStore], Workbench]

_SEARCHED = {"name", "items", "expert", "train", "bounds"}
"""Fields of a task that say nothing about how a model answers its items."""


def open_workbench(run: RunStore) -> Workbench:
    """What evaluates a run's candidates with real models."""
    from cycleqd.roles.workbench import ModelWorkbench  # noqa: PLC0415 - torch

    return ModelWorkbench(run, cache_folder())


def count_items(run: RunStore, limit: int | None) -> dict[str, int]:
    """How many held-out items each task has, once they are known to be unseen.

    A run checks as many as its own table uses; a comparison uses them all.

    Args:
        run: has them in its store.
        limit: use the first so many of each task, None for all.

    Raises:
        DatasetError: search and held-out items share prompts.
    """
    counts = {}
    for number, task in enumerate(run.latest().spec.tasks):
        held_out = _prompts(run, task, "test", limit)
        searched = _prompts(run, task, "search", limit_of(task, "search"))
        check_unseen(number, {*searched}, {*held_out})
        counts[task.name] = len(held_out)
    return counts


def _prompts(run: RunStore, task: Task, split: Split, limit: int | None) -> list[str]:
    with run.items_file(run.latest(), task.name, split) as path:
        found = read_items(path, skill_of(task.type, task.settings), limit=limit)
    return [item.text("prompt") for item in found.items]


class HeldOut:
    """Evaluates on held-out items and keeps the outcomes.

    Args:
        folder: of the comparison.
        counts: number of items by task (`count_items`).
        limit: what they were counted with.
        open_bench: opens what evaluates a run's candidates.
        say: told of every evaluation before it begins.
    """

    def __init__(
        self,
        folder: Path,
        counts: Mapping[str, int],
        limit: int | None,
        open_bench: OpenBench,
        say: Say,
    ) -> None:
        self._folder = folder / HELD_OUT
        self._counts = counts
        self._limit = limit
        self._open_bench = open_bench
        self._say = say

    def outcomes(
        self, trial: Trial, reading: Reading, candidates: Sequence[str]
    ) -> dict[str, dict[str, Float64]]:
        """Outcomes of a run's candidates, by candidate and task ``(items,) float64`` of 0 and 1.

        Args:
            trial: the run, complete.
            reading: what its store tells.
            candidates: ids; those that cannot be evaluated are missing from what is returned.

        Raises:
            VerificationError: the weights are not those that the run evaluated.
            SlotError: this machine cannot evaluate.
            StoreError: a store failed.
        """
        found: dict[str, dict[str, Float64]] = {}
        revision = self._revision(trial.run)
        bench: Workbench | None = None
        try:
            for number, candidate in enumerate(candidates, start=1):
                weights = reading.weights.get(candidate)
                if weights is None:  # it failed in the run already
                    continue
                subject = self._subject(revision, weights)
                marks = self._known(reading.tested.get(candidate), subject)
                if marks is None:
                    self._say(
                        f"{trial.label}: {candidate} on held-out items, {number} of "
                        f"{len(candidates)}"
                    )
                    bench = bench or self._open_bench(trial.run)
                    marks = self._evaluate(trial.run, bench, revision, candidate, subject)
                if marks is not None:
                    found[candidate] = outcomes_of(marks)
        finally:
            if bench is not None:
                bench.close()
        return found

    def _revision(self, run: RunStore) -> Revision:
        """What holds for the run, but for the number of test items."""
        revision = run.latest()
        manifest = revision.manifest
        tasks = tuple(
            task.model_copy(
                update={"items": task.items.model_copy(update={"test_limit": self._limit})}
            )
            for task in manifest.spec.tasks
        )
        spec = manifest.spec.model_copy(update={"tasks": tasks})
        return replace(revision, manifest=manifest.model_copy(update={"spec": spec}))

    def _subject(self, revision: Revision, weights: str) -> Subject:
        spec = canonical(revision.manifest)["spec"]
        return Subject(
            weights=weights,
            engine=revision.engine,
            evaluation=spec["evaluation"],
            threads=revision.spec.workers.threads,
            base=revision.base.digest,
            tasks={
                task["name"]: {k: v for k, v in task.items() if k not in _SEARCHED}
                for task in spec["tasks"]
            },
            items={task: splits["test"].digest for task, splits in revision.items.items()},
            counts=dict(self._counts),
            chat_templates=dict(revision.chat_templates),
        )

    def _known(
        self, tested: Mapping[str, str] | None, subject: Subject
    ) -> Mapping[str, str] | None:
        """Outcomes that the run or an earlier call has measured."""
        if tested is not None and self._fits(tested):
            return tested
        path = self._path(subject)
        with disk_errors(f"cannot read {path}"):
            try:
                data = path.read_bytes()
            except FileNotFoundError:
                return None
        try:
            document = HeldOutDocument.from_bytes(data, str(path))
        except StoreCorrupt:  # measured again and replaced
            return None
        return document.outcomes if self._fits(document.outcomes) else None

    def _fits(self, outcomes: Mapping[str, str]) -> bool:
        """Whether these are outcomes on all items and no others."""
        return {task: len(marks) for task, marks in outcomes.items()} == self._counts

    def _path(self, subject: Subject) -> Path:
        return self._folder / f"{hashlib.sha256(subject.to_bytes()).hexdigest()[:32]}.json"

    def _evaluate(
        self,
        run: RunStore,
        bench: Workbench,
        revision: Revision,
        candidate: str,
        subject: Subject,
    ) -> Mapping[str, str] | None:
        genome = hashlib.sha256(run.objects.read(keys.genome(candidate))).hexdigest()
        entry = EvaluateEntry(
            candidate=candidate, genome=genome, split="test", tasks=revision.tasks
        )
        result = bench.evaluate(entry, revision)
        if result.failure is not None:
            self._say(f"{candidate}: {result.failure.cause}: {result.failure.message}")
            return None
        if result.digest != subject.weights:
            raise VerificationError(
                f"{run.objects.uri}: {candidate} has weights of digest {result.digest}, but the "
                f"run evaluated {subject.weights}; `cycleqd verify {run.objects.uri}` tells more"
            )
        document = HeldOutDocument(subject=subject, outcomes=result.outcomes)
        with atomic_file(self._path(subject)) as descriptor:
            write_all(descriptor, document.to_bytes())
        return result.outcomes
