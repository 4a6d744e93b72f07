"""Files of candidates in a store, mapped from local copies that processes of a machine share.

A copy's name is a digest of what tells the file's content, so a cache never serves the file of
another run, and a file that one process has brought serves all. Within a process each is opened
once.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Generic, TypeVar

from cycleqd.checkpoints.safetensors_file import MAX_HEADER_BYTES, data_start, read_header
from cycleqd.weights.checkpoint import MappedFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cycleqd.store.base import ObjectStore

Opened = TypeVar("Opened")


def whole(store: ObjectStore, key: str) -> bytes:
    """All of a small file."""
    return store.read(key)


def header(store: ObjectStore, key: str) -> bytes:
    """The header of a safetensors file, which tells the content where it holds a digest of it."""
    start = data_start(store.read_range(key, 0, 8))
    return store.read_range(key, 0, min(start, MAX_HEADER_BYTES))


class StoredFiles(Generic[Opened]):
    """One kind of safetensors file that candidates have in a store.

    Args:
        store: the run's store.
        cache: local folder; processes may share it.
        key_of: the key of a candidate's file.
        identity: reads what tells the content, `whole` or `header`.
        view: what is made of a key and its mapped file, once.
    """

    def __init__(
        self,
        store: ObjectStore,
        cache: Path,
        *,
        key_of: Callable[[str], str],
        identity: Callable[[ObjectStore, str], bytes],
        view: Callable[[str, MappedFile], Opened],
    ) -> None:
        self._store = store
        self._cache = cache
        self._key_of = key_of
        self._identity = identity
        self._view = view
        self._open: dict[str, Opened] = {}

    def get(self, candidate: str) -> Opened:
        """What a candidate has stored.

        Raises:
            ObjectNotFound: nothing is.
        """
        if candidate not in self._open:
            key = self._key_of(candidate)
            self._open[candidate] = self._view(key, MappedFile(read_header(self._local(key))))
        return self._open[candidate]

    def _local(self, key: str) -> Path:
        name = hashlib.sha256(self._identity(self._store, key)).hexdigest()
        path = self._cache / f"{name}.safetensors"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._store.download(key, path)
        return path
