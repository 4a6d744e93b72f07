"""Stored task vectors: candidates that no coefficients describe.

A `ChildSVD` mutation leaves the span of the experts, so its result is stored once, in fp32, as
``candidates/<id>/task-vector.safetensors``, and descendants refer to it by a `Dense` term. The
file's metadata holds the digest of its tensors, so the header names a local copy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from cycleqd.records import keys
from cycleqd.weights.stored_files import StoredFiles, header

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from cycleqd.store.base import ObjectStore


class DenseVector(Protocol):
    """The tensors of one task vector, fp32; those that are zero may be missing."""

    def __contains__(self, name: object) -> bool:
        """Whether the tensor is not zero."""
        ...

    def tensor(self, name: str) -> torch.Tensor:
        """A tensor by name."""
        ...


class DenseSource(Protocol):
    """Where task vectors of candidates come from."""

    def task_vector(self, candidate: str) -> DenseVector:
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
        self._files: StoredFiles[DenseVector] = StoredFiles(
            store,
            cache,
            key_of=keys.task_vector,
            identity=header,
            view=lambda _, file: file,
        )

    def task_vector(self, candidate: str) -> DenseVector:
        """See `DenseSource.task_vector`."""
        return self._files.get(candidate)
