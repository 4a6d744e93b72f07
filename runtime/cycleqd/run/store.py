"""A run's objects with their types: what the coordinator, a worker and the reader commands share.

Thin: every method is one or two calls of `cycleqd.store.base.ObjectStore` and a document's codec.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cycleqd.errors import ObjectNotFound, StoreCorrupt
from cycleqd.evolution.genome import Genome
from cycleqd.evolution.goal import has_ended
from cycleqd.evolution.growth import read_genome
from cycleqd.records import consistency, keys
from cycleqd.records.documents import (
    ArchiveDocument,
    EvaluateEntry,
    PlanDocument,
    ResultDocument,
    RunDocument,
    Split,
)
from cycleqd.records.final_table import SummaryDocument
from cycleqd.records.keys import Stage
from cycleqd.run.revision import History, Revision
from cycleqd.scratch import scratch_folder
from cycleqd.store.base import ObjectStore

GENOME_CACHE = 256
"""Genomes kept in memory; a 8B model's with three experts takes about 9 MB."""

LISTED = 1000
"""Generations that are listed rather than asked for one by one: what a page of S3 holds."""


@dataclass(frozen=True)
class Position:
    """Where a run stands.

    Attributes:
        generation: highest committed generation, -1 before generation 0.
        generations: how many the manifest in force asks for.
        archive: the last commit, None before generation 0.
        ended: whether no generation follows: all are done, or the goal is reached.
        summary: the final table, None before it is made.
    """

    generation: int
    generations: int
    archive: ArchiveDocument | None
    ended: bool
    summary: SummaryDocument | None

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do."""
        return self.summary is not None

    @property
    def goal_reached(self) -> bool:
        """Whether the goal ended the run before its last generation."""
        return self.ended and self.generation < self.generations


class RunStore:
    """Typed access to one run.

    Attributes:
        objects: where it is kept.
        history: what the run is as of each generation.
    """

    def __init__(self, store: ObjectStore) -> None:
        self.objects = store
        self.history = History(store)
        self.genome = lru_cache(GENOME_CACHE)(self._read_genome)
        self._committed = -1  # as of the last look; a commit stays

    def exists(self) -> bool:
        """Whether a run has begun here."""
        return self.objects.exists(keys.RUN)

    @property
    def document(self) -> RunDocument:
        """``run.json``.

        Raises:
            InputError: no run is stored here.
        """
        return self.history.latest().run

    def latest(self) -> Revision:
        """The last accepted revision, maybe of the future: what was asked for last.

        Raises:
            InputError: no run is stored here.
        """
        return self.history.refresh()[-1]

    def under_way(self) -> Revision:
        """The revision of the generation after the last committed one; nothing is of a later one.

        Raises:
            InputError: no run is stored here.
        """
        self.history.refresh()
        return self.history.as_of(self.committed() + 1)

    def plan(self, stage: Stage) -> PlanDocument | None:
        """A stage's plan, None before it is made."""
        try:
            return PlanDocument.from_bytes(self.objects.read(stage.plan_key), stage.plan_key)
        except ObjectNotFound:
            return None

    def finished_entries(self, stage: Stage) -> set[int]:
        """Indices of the entries that have a result."""
        return stage.entries(self.objects.children(stage.results_prefix))

    def result(self, stage: Stage, entry: int) -> ResultDocument:
        """One entry's result."""
        key = stage.result_key(entry)
        return ResultDocument.from_bytes(self.objects.read(key), key)

    def results(self, stage: Stage, entries: Iterable[int]) -> list[ResultDocument]:
        """The results of these entries, in their order."""
        return [self.result(stage, entry) for entry in entries]

    @contextmanager
    def items_file(self, revision: Revision, task: str, split: Split) -> Iterator[Path]:
        """A local file of the items that a task has, for as long as the block lasts."""
        with scratch_folder("items") as folder:
            path = folder / f"{task}.{split}.jsonl"
            self.objects.download(revision.items_key(task, split), path)
            yield path

    def chat_template(self, expert: str) -> str:
        """The chat template that tasks take from an expert, as it was when the run began.

        Raises:
            StoreCorrupt: it is another one.
        """
        key = keys.chat_template(expert)
        data = self.objects.read(key)
        found = hashlib.sha256(data).hexdigest()
        if found != (expected := self.history.latest().chat_templates.get(expert)):
            raise StoreCorrupt(f"{key}: SHA-256 {found}, run.json says {expected}")
        return data.decode()

    def evaluated(self, stage: Stage) -> Iterator[tuple[EvaluateEntry, ResultDocument]]:
        """The evaluations of a stage that have a result, in the order of planning."""
        plan = self.plan(stage)
        if plan is None:
            return
        finished = self.finished_entries(stage)
        for index, entry in enumerate(plan.entries):
            if isinstance(entry, EvaluateEntry) and index in finished:
                yield entry, self.result(stage, index)

    def archive(self, generation: int) -> ArchiveDocument | None:
        """A generation's commit, None before it."""
        key = keys.generation(generation).commit_key
        try:
            archive = ArchiveDocument.from_bytes(self.objects.read(key), key)
        except ObjectNotFound:
            return None
        consistency.check_archive(self.history.as_of(generation).tasks, archive, generation)
        return archive

    def committed_archive(self, generation: int) -> ArchiveDocument:
        """The commit of a generation that is committed, or that a later one follows.

        Raises:
            StoreCorrupt: it is missing.
        """
        archive = self.archive(generation)
        if archive is None:
            raise StoreCorrupt(
                f"{self.objects.uri}: generation {generation} has no archive, yet a later one has"
            )
        return archive

    def committed(self) -> int:
        """The highest committed generation, -1 before generation 0 is."""
        known = self._near_last_commit()
        after = keys.generation(known).name if known >= 0 else ""
        numbers = (keys.number(name) for name in self.objects.children(keys.GENERATIONS, after))
        later = sorted((n for n in numbers if n is not None and n > known), reverse=True)
        found = next((number for number in later if self._is_committed(number)), known)
        while self._is_committed(found + 1):  # a number with a digit more is listed further up
            found += 1
        self._committed = found
        return found

    def _near_last_commit(self) -> int:
        """A committed generation with about a listing's page of others after it, -1 for none.

        So a look costs the same at any age of a run. Commits follow one another, and where one is
        missing nevertheless, only more is listed.
        """
        known, stride = self._committed, LISTED
        while self._is_committed(known + stride):
            known, stride = known + stride, 2 * stride
        while stride > LISTED:
            stride //= 2
            if self._is_committed(known + stride):
                known += stride
        return known

    def _is_committed(self, number: int) -> bool:
        return self.objects.exists(keys.generation(number).commit_key)

    def summary(self, generations: int) -> SummaryDocument | None:
        """The held-out comparison after so many generations, None before it."""
        key = keys.final(generations).commit_key
        try:
            summary = SummaryDocument.from_bytes(self.objects.read(key), key)
        except ObjectNotFound:
            return None
        consistency.check_summary(self.history.as_of(generations).tasks, summary, generations)
        return summary

    def summary_before(self, generation: int) -> SummaryDocument | None:
        """The last final table of an earlier generation, None where there is none."""
        numbers = (keys.number(name) for name in self.objects.children(keys.FINALS))
        earlier = (n for n in numbers if n is not None and n < generation)
        found = (self.summary(number) for number in sorted(earlier, reverse=True))
        return next((summary for summary in found if summary is not None), None)

    def position(self) -> Position:
        """Where the run stands."""
        spec = self.latest().spec
        committed = self.committed()
        archive = self.archive(committed) if committed >= 0 else None
        ended = has_ended(spec, archive)
        return Position(
            generation=committed,
            generations=spec.evolution.generations,
            archive=archive,
            ended=ended,
            summary=self.summary(committed) if ended else None,
        )

    def begin(self, candidate: str) -> Genome:
        """The genome from which a candidate is tuned."""
        return self._genome_at(keys.begin(candidate))

    def _read_genome(self, candidate: str) -> Genome:
        """A candidate's genome (cached as ``genome``)."""
        return self._genome_at(keys.genome(candidate))

    def _genome_at(self, key: str) -> Genome:
        data = self.objects.read(key)
        try:
            return read_genome(self.history.latest().layouts, data)
        except (ValueError, KeyError) as error:
            raise StoreCorrupt(f"{key}: {error}") from error
