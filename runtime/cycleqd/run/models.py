"""The checkpoints, factors and materialiser of a run on one machine, opened as they are needed.

`RunModels` opens each checkpoint once, whatever asks for it; `RevisionModels` says which of them a
generation is made of.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Generic, TypeVar

from cycleqd.checkpoints.source import resolve
from cycleqd.errors import RunMismatch, StoreCorrupt
from cycleqd.evolution.combination import as_parent
from cycleqd.evolution.genome import Genome
from cycleqd.evolution.growth import extended
from cycleqd.manifest.cluster import S3
from cycleqd.records import keys
from cycleqd.records.documents import SourceRecord
from cycleqd.run.kept_models import kept_model
from cycleqd.run.revision import Revision
from cycleqd.run.store import RunStore
from cycleqd.store.access import settings_of
from cycleqd.weights.adapters import StoredAdapters
from cycleqd.weights.checkpoint import Checkpoint
from cycleqd.weights.experts import Expert, open_expert
from cycleqd.weights.factors import Factors, factor_expert
from cycleqd.weights.materialize import Materializer
from cycleqd.weights.merged_vectors import Kept
from cycleqd.weights.task_vectors import StoredTaskVectors

Value = TypeVar("Value")


class Lazy(Mapping[str, Value], Generic[Value]):
    """A mapping whose values are made when they are first looked up, and kept."""

    def __init__(self, names: tuple[str, ...], make: Callable[[str], Value]) -> None:
        self._names = names
        self._make = make
        self._values: dict[str, Value] = {}

    def __getitem__(self, name: str) -> Value:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._values:
            self._values[name] = self._make(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class RunModels:
    """Weights of a run.

    Args:
        run: the run's store.
        scratch: folder for downloads and factors, shared by the processes of one machine.
        device: where arithmetic runs.
    """

    def __init__(self, run: RunStore, scratch: Path, device: str = "cpu") -> None:
        self.run = run
        self.device = device
        self._scratch = scratch
        self._revisions: dict[int, RevisionModels] = {}
        self._checkpoints: dict[str, Checkpoint] = {}
        self._experts: dict[str, Expert] = {}
        self._factors: dict[str, Factors] = {}
        self.merged = Kept()

    def as_of(self, revision: Revision) -> RevisionModels:
        """The weights that a revision is made of."""
        if revision.number not in self._revisions:
            self._revisions[revision.number] = RevisionModels(self, revision)
        return self._revisions[revision.number]

    def under_way(self) -> RevisionModels:
        """The weights of all that candidates are made of so far."""
        return self.as_of(self.run.under_way())

    def check_genome(self, key: str, expected: str) -> None:
        """Compare a stored genome with the digest in its plan.

        Raises:
            StoreCorrupt: they differ.
        """
        found = hashlib.sha256(self.run.objects.read(key)).hexdigest()
        if found != expected:
            raise StoreCorrupt(f"{key}: SHA-256 {found}, but the plan says {expected}")

    def cache(self, kind: str) -> Path:
        """A folder of this run on this machine."""
        return self._scratch / "runs" / self.run.document.run_id / kind

    def factors(self, expert: str) -> Factors:
        """An expert's stored factors."""
        if expert not in self._factors:
            self._factors[expert] = Factors.open(self.run.objects, expert, self.cache("factors"))
        return self._factors[expert]

    def checkpoint(self, source: SourceRecord, s3: S3 | None) -> Checkpoint:
        """A checkpoint, compared with what was admitted.

        Raises:
            CheckpointError: it is not there, or cannot be read.
            RunMismatch: its weights have changed since.
        """
        if source.digest not in self._checkpoints:
            opened = Checkpoint.open(self._folder(source, s3))
            self._checkpoints[source.digest] = _same(source, opened)
        return self._checkpoints[source.digest]

    def expert(
        self, source: SourceRecord, base: Checkpoint, s3: S3 | None, *, base_vocabulary: bool
    ) -> Expert:
        """An expert, compared with what was admitted.

        Args:
            source: says which.
            base: the base.
            s3: how to reach it.
            base_vocabulary: whether it is taken with the base's rows.

        Raises:
            CheckpointError: it is not there, or cannot be read.
            RunMismatch: its weights have changed since.
        """
        if source.digest not in self._experts:
            folder = self._folder(source, s3)
            opened = open_expert(folder, base, base_vocabulary=base_vocabulary)
            self._experts[source.digest] = _same(source, opened)
        return self._experts[source.digest]

    def _folder(self, source: SourceRecord, s3: S3 | None) -> Path:
        cache = self._scratch / "checkpoints"
        if source.member is not None:
            return kept_model(self.run.objects, source.member, cache)
        return resolve(source.uri, cache, settings_of(s3), location=source.location)


Opened = TypeVar("Opened", Checkpoint, Expert)


def _same(source: SourceRecord, opened: Opened) -> Opened:
    digest = opened.digest()
    if digest != source.digest:
        raise RunMismatch(
            f"{source.uri}: the weights in {opened.folder} are not those that the run began with "
            f"(digest {digest}, then {source.digest}); restore them or start a run in another store"
        )
    return opened


class RevisionModels:
    """Weights of a run as of one revision.

    Args:
        models: opens them.
        revision: says which.
    """

    def __init__(self, models: RunModels, revision: Revision) -> None:
        self._models = models
        self._run = models.run
        self.revision = revision
        chosen = {expert.name: expert.vocabulary for expert in revision.manifest.spec.experts}
        names = tuple(chosen)
        self._s3 = models.run.history.latest().spec.storage.s3  # how a place is reached now
        self.experts: Lazy[Expert] = Lazy(
            names,
            lambda name: models.expert(
                revision.experts[name], self.base, self._s3, base_vocabulary=chosen[name] == "Base"
            ),
        )
        self.factors = Lazy(names, models.factors)

    @cached_property
    def base(self) -> Checkpoint:
        """The base model."""
        return self._models.checkpoint(self.revision.base, self._s3)

    @cached_property
    def adapters(self) -> StoredAdapters:
        """What candidates were trained to."""
        return StoredAdapters(self._run.objects, self._models.cache("adapters"))

    @cached_property
    def materializer(self) -> Materializer:
        """Makes the weights that are evaluated and exported."""
        spec = self.revision.spec
        return Materializer(
            self.base,
            self.experts,
            self.factors,
            self.revision.layout,
            dense_source=StoredTaskVectors(self._run.objects, self._models.cache("task-vectors")),
            adapter_source=self.adapters,
            kept=self._models.merged,
            seed=spec.seed,
            dtype=spec.evaluation.dtype,
            threads=spec.workers.threads,
            device=self._models.device,
        )

    def factor(self, expert: str) -> str:
        """Factor an expert's task vector into the store; returns the digest of what is stored."""
        factor_expert(
            self.base,
            self.experts[expert],
            expert,
            self.revision.layout,
            self._run.objects,
            cache=self._models.cache("factors"),
            device=self._models.device,
        )
        index = self._run.objects.read(keys.factors(expert))
        return f"sha256:{hashlib.sha256(index).hexdigest()}"

    def genome(self, candidate: str) -> Genome:
        """A candidate's genome in the form that is materialised.

        A child-SVD candidate's task vector is stored first, so that what is evaluated is what its
        descendants build on.
        """
        genome = extended(self._run.genome(candidate), self.revision.layout)
        if genome.child_svd is None:
            return genome
        return self.materializer.store_task_vector(genome, candidate, self._run.objects)

    def stored_genome(self, candidate: str) -> Genome:
        """Like `genome`, for reading only: a stored task vector is used, never made."""
        genome = extended(self._run.genome(candidate), self.revision.layout)
        return genome if genome.child_svd is None else as_parent(candidate, genome)

    def export(self, candidate: str, folder: Path) -> str:
        """Write a candidate as a Hugging Face folder that appears whole or not at all.

        Its tokenizer is the base's. Its chat template is the one that prompts were written with,
        where all tasks that have one use the same; else the base's.

        Returns:
            The digest of the weights.

        Raises:
            InputError: the folder exists and is not empty.
            StoreFull: the disk is full.
        """
        sources = {t.chat_template_from for t in self.revision.spec.tasks if t.chat}
        source = sources.pop() if len(sources) == 1 else None
        template = None if source is None else self._run.chat_template(source)
        return self.materializer.to_file(self.genome(candidate), folder, chat_template=template)
