"""A store that is only read, with what was read lately kept in memory.

Objects never change once they are there, so what was read stays true. Whoever serves pages holds
no way to write: every writing call of the interface is refused here, whatever the credentials
allow.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, NoReturn

from cycleqd.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from cycleqd.store.base import Names, ObjectStore

CACHE_BYTES = 128 << 20
LARGEST_KEPT = 16 << 20


class FrozenStore:
    """An `ObjectStore` that refuses to write and keeps what was read last.

    Args:
        store: the other store.
        cache_bytes: how much is kept.
    """

    def __init__(self, store: ObjectStore, cache_bytes: int = CACHE_BYTES) -> None:
        self._store = store
        self._limit = self._room = cache_bytes
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def uri(self) -> str:
        """See `ObjectStore.uri`."""
        return self._store.uri

    def read(self, key: str) -> bytes:
        """See `ObjectStore.read`."""
        with self._lock:
            if (known := self._kept.get(key)) is not None:
                self._kept.move_to_end(key)
                return known
        data = self._store.read(key)
        if len(data) <= min(LARGEST_KEPT, self._limit):
            self._keep(key, data)
        return data

    def _keep(self, key: str, data: bytes) -> None:
        with self._lock:
            if key in self._kept:
                return
            self._kept[key] = data
            self._room -= len(data)
            while self._room < 0:
                _, oldest = self._kept.popitem(last=False)
                self._room += len(oldest)

    def read_range(self, key: str, start: int, length: int) -> bytes:
        """See `ObjectStore.read_range`."""
        return self._store.read_range(key, start, length)

    def download(self, key: str, path: Path) -> None:
        """See `ObjectStore.download`."""
        self._store.download(key, path)

    def exists(self, key: str) -> bool:
        """See `ObjectStore.exists`."""
        return self._store.exists(key)

    def size(self, key: str) -> int:
        """See `ObjectStore.size`."""
        return self._store.size(key)

    def written(self, key: str) -> datetime:
        """See `ObjectStore.written`."""
        return self._store.written(key)

    def list(self, prefix: str = "") -> Iterator[str]:
        """See `ObjectStore.list`."""
        return self._store.list(prefix)

    def children(self, prefix: str, after: str = "") -> Names:
        """See `ObjectStore.children`."""
        return self._store.children(prefix, after)

    def create(self, key: str, data: bytes) -> bool:
        """Refused.

        Raises:
            StoreError: always.
        """
        self._refuse(f"create {key} of {len(data)} bytes")

    def create_file(self, key: str, path: Path) -> bool:
        """Refused.

        Raises:
            StoreError: always.
        """
        self._refuse(f"create {key} from {path}")

    def delete(self, key: str) -> None:
        """Refused.

        Raises:
            StoreError: always.
        """
        self._refuse(f"delete {key}")

    def probe(self) -> None:
        """Refused: a probe writes.

        Raises:
            StoreError: always.
        """
        self._refuse("probe")

    def _refuse(self, what: str) -> NoReturn:
        raise StoreError(f"cannot {what} in {self.uri}: it is open for reading only")
