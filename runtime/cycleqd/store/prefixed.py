"""A store seen from one of its folders: how one run lives inside a store that holds many."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cycleqd.store.keys import check_key, check_prefix, folder_prefix

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from cycleqd.store.base import Names, ObjectStore


class PrefixedStore:
    """An `ObjectStore` whose keys lie below a folder of another.

    ``open_store(f"{store.uri}/{run_id}")`` gives the same objects; this one shares the outer
    store's connections and works over a `MemoryStore` too.

    Args:
        store: the outer store.
        prefix: the folder, with or without its closing slash.
    """

    def __init__(self, store: ObjectStore, prefix: str) -> None:
        self._store = store
        self._prefix = folder_prefix(prefix)

    def __repr__(self) -> str:
        return f"PrefixedStore({self._store!r}, {self._prefix!r})"

    @property
    def uri(self) -> str:
        """The folder's URI."""
        return f"{self._store.uri}/{self._prefix}".rstrip("/")

    def create(self, key: str, data: bytes) -> bool:
        """See `ObjectStore.create`."""
        return self._store.create(self._outer(key), data)

    def create_file(self, key: str, path: Path) -> bool:
        """See `ObjectStore.create_file`."""
        return self._store.create_file(self._outer(key), path)

    def read(self, key: str) -> bytes:
        """See `ObjectStore.read`."""
        return self._store.read(self._outer(key))

    def read_range(self, key: str, start: int, length: int) -> bytes:
        """See `ObjectStore.read_range`."""
        return self._store.read_range(self._outer(key), start, length)

    def download(self, key: str, path: Path) -> None:
        """See `ObjectStore.download`."""
        self._store.download(self._outer(key), path)

    def exists(self, key: str) -> bool:
        """See `ObjectStore.exists`."""
        return self._store.exists(self._outer(key))

    def size(self, key: str) -> int:
        """See `ObjectStore.size`."""
        return self._store.size(self._outer(key))

    def written(self, key: str) -> datetime:
        """See `ObjectStore.written`."""
        return self._store.written(self._outer(key))

    def list(self, prefix: str = "") -> Iterator[str]:
        """See `ObjectStore.list`."""
        for key in self._store.list(self._prefix + check_prefix(prefix)):
            yield key.removeprefix(self._prefix)

    def children(self, prefix: str, after: str = "") -> Names:
        """See `ObjectStore.children`."""
        return self._store.children(self._prefix + folder_prefix(prefix), after)

    def delete(self, key: str) -> None:
        """See `ObjectStore.delete`."""
        self._store.delete(self._outer(key))

    def probe(self) -> None:
        """See `ObjectStore.probe`; the outer store's probe serves every folder of it."""
        self._store.probe()

    def _outer(self, key: str) -> str:
        return self._prefix + check_key(key)
