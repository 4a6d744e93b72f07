"""The checkpoints, factors and materialiser of a run on one machine, opened as they are needed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Generic, TypeVar

from cycleqd.checkpoints.source import resolve
from cycleqd.errors import RunMismatch, StoreCorrupt
from cycleqd.evolution.genome import Genome, as_parent
from cycleqd.records import keys
from cycleqd.records.documents import SourceRecord
from cycleqd.run.store import RunStore
from cycleqd.store.access import settings_of
from cycleqd.weights.checkpoint import Checkpoint
from cycleqd.weights.factors import Factors, factor_expert
from cycleqd.weights.materialize import Materializer
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
        runs: the run.
        scratch: folder for downloads and factors, shared by the processes of one machine.
        device: where arithmetic runs.
    """

    def __init__(self, runs: RunStore, scratch: Path, device: str = "cpu") -> None:
        self._runs = runs
        self._scratch = scratch
        self._device = device
        self.spec = runs.manifest().spec
        names = tuple(expert.name for expert in self.spec.experts)
        self.experts = Lazy(names, lambda name: self._open(runs.run.experts[name]))
        self.factors = Lazy(names, self._open_factors)

    @cached_property
    def base(self) -> Checkpoint:
        """The base model."""
        return self._open(self._runs.run.base)

    @cached_property
    def materializer(self) -> Materializer:
        """Makes the weights that are evaluated and exported."""
        return Materializer(
            self.base,
            self.experts,
            self.factors,
            self._runs.layout,
            dense_source=StoredTaskVectors(self._runs.objects, self._cache("task-vectors")),
            seed=self.spec.seed,
            dtype=self.spec.evaluation.dtype,
            threads=self.spec.workers.threads,
            device=self._device,
        )

    def factor(self, expert: str) -> str:
        """Factor an expert's task vector into the store; returns the digest of what is stored."""
        factor_expert(
            self.base,
            self.experts[expert],
            expert,
            self._runs.layout,
            self._runs.objects,
            cache=self._cache("factors"),
            device=self._device,
        )
        index = self._runs.objects.read(f"experts/{expert}/factors.json")
        return f"sha256:{hashlib.sha256(index).hexdigest()}"

    def genome(self, candidate: str) -> Genome:
        """A candidate's genome in the form that is materialised.

        A child-SVD candidate's task vector is stored first, so that what is evaluated is what its
        descendants build on.
        """
        genome = self._runs.genome(candidate)
        if genome.child_svd is None:
            return genome
        return self.materializer.store_task_vector(genome, candidate, self._runs.objects)

    def stored_genome(self, candidate: str) -> Genome:
        """Like `genome`, for reading only: a stored task vector is used, never made."""
        genome = self._runs.genome(candidate)
        return genome if genome.child_svd is None else as_parent(candidate, genome)

    def check_genome(self, candidate: str, expected: str) -> None:
        """Compare a stored genome with the digest in its plan.

        Raises:
            StoreCorrupt: they differ.
        """
        found = hashlib.sha256(self._runs.objects.read(keys.genome(candidate))).hexdigest()
        if found != expected:
            raise StoreCorrupt(
                f"{keys.genome(candidate)}: SHA-256 {found}, but the plan says {expected}"
            )

    def _cache(self, kind: str) -> Path:
        return self._scratch / "runs" / self._runs.run.run_id / kind

    def _open_factors(self, expert: str) -> Factors:
        return Factors.open(self._runs.objects, expert, self._cache("factors"))

    def _open(self, source: SourceRecord) -> Checkpoint:
        settings = settings_of(self.spec.storage.s3)
        folder = resolve(source.uri, self._scratch / "checkpoints", settings)
        checkpoint = Checkpoint.open(folder)
        digest = checkpoint.digest()
        if digest != source.digest:
            raise RunMismatch(
                f"{source.uri}: its weights have changed since the run began (digest {digest}, "
                f"then {source.digest}); restore them or start a run in another store"
            )
        return checkpoint
