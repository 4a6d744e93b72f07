"""A store in a dictionary: the official double for unit tests.

It passes the same conformance suite as the real back ends, but lives and dies with its process.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cycleqd.errors import ObjectNotFound
from cycleqd.store.keys import check_key, check_prefix, folder_prefix
from cycleqd.store.localfile import atomic_file, write_all
from cycleqd.store.probing import probe_creates, probe_object

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cycleqd.store.base import Names


class MemoryStore:
    """An `ObjectStore` in memory, safe to share between threads."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}
        self._written: dict[str, datetime] = {}
        self._lock = threading.Lock()

    @property
    def uri(self) -> str:
        """A name for messages; it cannot be re-opened."""
        return "memory:"

    def create(self, key: str, data: bytes) -> bool:
        """See `ObjectStore.create`."""
        with self._lock:
            if check_key(key) in self._objects:
                return False
            self._written[key] = datetime.now(UTC)
            self._objects[key] = bytes(data)
            return True

    def create_file(self, key: str, path: Path) -> bool:
        """See `ObjectStore.create_file`."""
        return self.create(key, path.read_bytes())

    def read(self, key: str) -> bytes:
        """See `ObjectStore.read`."""
        try:
            return self._objects[check_key(key)]
        except KeyError:
            raise ObjectNotFound(f"no object {key} in {self.uri}") from None

    def read_range(self, key: str, start: int, length: int) -> bytes:
        """See `ObjectStore.read_range`."""
        return self.read(key)[start : start + length]

    def download(self, key: str, path: Path) -> None:
        """See `ObjectStore.download`."""
        data = self.read(key)
        with atomic_file(path) as descriptor:
            write_all(descriptor, data)

    def exists(self, key: str) -> bool:
        """See `ObjectStore.exists`."""
        return check_key(key) in self._objects

    def size(self, key: str) -> int:
        """See `ObjectStore.size`."""
        return len(self.read(key))

    def written(self, key: str) -> datetime:
        """See `ObjectStore.written`."""
        self.read(key)
        return self._written[key]

    def list(self, prefix: str = "") -> Iterator[str]:
        """See `ObjectStore.list`."""
        check_prefix(prefix)
        with self._lock:
            keys = sorted(key for key in self._objects if key.startswith(prefix))
        yield from keys

    def children(self, prefix: str, after: str = "") -> Names:
        """See `ObjectStore.children`."""
        folder = folder_prefix(prefix)
        names = {key[len(folder) :].split("/", 1)[0] for key in self.list(folder)}
        return sorted(name for name in names if name > after)

    def delete(self, key: str) -> None:
        """See `ObjectStore.delete`."""
        with self._lock:
            self._objects.pop(check_key(key), None)

    def probe(self) -> None:
        """See `ObjectStore.probe`."""
        with probe_object(self) as key:
            probe_creates(self, key)
