"""Stored task vectors: candidates that no coefficients describe.

A `ChildSVD` mutation leaves the span of the experts, so its result is stored once, in fp32, as
``candidates/<id>/task-vector.safetensors``, and descendants refer to it by a `Dense` term. The
file's metadata holds the digest of its tensors; a local copy is named by the header that contains
it, so a cache never serves the vector of another run.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Protocol

from cycleqd.checkpoints.safetensors_file import MAX_HEADER_BYTES, data_start, read_header
from cycleqd.records import keys
from cycleqd.weights.checkpoint import MappedFile

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from cycleqd.store.base import ObjectStore


class TaskVector(Protocol):
    """The tensors of one task vector, fp32; those that are zero may be missing."""

    def __contains__(self, name: object) -> bool:
        """Whether the tensor is not zero."""
        ...

    def tensor(self, name: str) -> torch.Tensor:
        """A tensor by name."""
        ...


class DenseSource(Protocol):
    """Where task vectors of candidates come from."""

    def task_vector(self, candidate: str) -> TaskVector:
        """The task vector of a candidate.

        Raises:
            ObjectNotFound: none is stored.
        """
        ...


class StoredTaskVectors:
    """Task vectors in a store, mapped from local copies.

    Args:
        store: the run's store.
        cache: local folder; processes may share it.
    """

    def __init__(self, store: ObjectStore, cache: Path) -> None:
        self._store = store
        self._cache = cache
        self._open: dict[str, MappedFile] = {}

    def task_vector(self, candidate: str) -> TaskVector:
        """See `DenseSource.task_vector`."""
        if candidate not in self._open:
            self._open[candidate] = MappedFile(read_header(self._local(candidate)))
        return self._open[candidate]

    def _local(self, candidate: str) -> Path:
        key = keys.task_vector(candidate)
        start = data_start(self._store.read_range(key, 0, 8))
        header = self._store.read_range(key, 0, min(start, MAX_HEADER_BYTES))
        path = self._cache / f"{hashlib.sha256(header).hexdigest()}.safetensors"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._store.download(keys.task_vector(candidate), path)
        return path
