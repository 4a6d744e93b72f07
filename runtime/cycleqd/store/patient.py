"""A store that is waited for: in a pod, which nobody watches, an outage or a refusal may pass.

Every call is tried until it is answered, with growing pauses, and each failure is told to whoever
reports it. What no waiting can mend is raised as ever: a missing object, corrupt bytes, a server
without conditional writes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from cycleqd.errors import ObjectNotFound, StoreCorrupt, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from cycleqd.store.base import Names, ObjectStore

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0

Answer = TypeVar("Answer")


def patiently(
    call: Callable[[], Answer],
    tell: Callable[[StoreError | None], None],
    sleep: Callable[[float], None] = time.sleep,
) -> Answer:
    """The answer of a call to a store, however long that takes.

    Args:
        call: may be repeated.
        tell: told of each failure, and None once the store answers again.
        sleep: waits so many seconds.

    Raises:
        ObjectNotFound: as the call did.
        StoreCorrupt: as the call did.
    """
    pause = FIRST_PAUSE_SECONDS
    failed = False
    while True:
        try:
            answer = call()
        except StoreError as error:
            if isinstance(error, (ObjectNotFound, StoreCorrupt)):
                if failed:
                    tell(None)
                raise
            failed = True
            tell(error)
            sleep(pause)
            pause = min(LONGEST_PAUSE_SECONDS, 2 * pause)
        else:
            if failed:
                tell(None)
            return answer


class PatientStore:
    """An `ObjectStore` whose calls are repeated until the other store answers.

    Args:
        store: the other store.
        tell: told of each failure, and None once the store answers again.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        store: ObjectStore,
        tell: Callable[[StoreError | None], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._tell = tell
        self._sleep = sleep

    def __repr__(self) -> str:
        return f"PatientStore({self._store!r})"

    def _wait(self, call: Callable[[], Answer]) -> Answer:
        return patiently(call, self._tell, self._sleep)

    @property
    def uri(self) -> str:
        """See `ObjectStore.uri`."""
        return self._store.uri

    def create(self, key: str, data: bytes) -> bool:
        """See `ObjectStore.create`."""
        return self._wait(lambda: self._store.create(key, data))

    def create_file(self, key: str, path: Path) -> bool:
        """See `ObjectStore.create_file`."""
        return self._wait(lambda: self._store.create_file(key, path))

    def read(self, key: str) -> bytes:
        """See `ObjectStore.read`."""
        return self._wait(lambda: self._store.read(key))

    def read_range(self, key: str, start: int, length: int) -> bytes:
        """See `ObjectStore.read_range`."""
        return self._wait(lambda: self._store.read_range(key, start, length))

    def download(self, key: str, path: Path) -> None:
        """See `ObjectStore.download`."""
        self._wait(lambda: self._store.download(key, path))

    def exists(self, key: str) -> bool:
        """See `ObjectStore.exists`."""
        return self._wait(lambda: self._store.exists(key))

    def size(self, key: str) -> int:
        """See `ObjectStore.size`."""
        return self._wait(lambda: self._store.size(key))

    def written(self, key: str) -> datetime:
        """See `ObjectStore.written`."""
        return self._wait(lambda: self._store.written(key))

    def list(self, prefix: str = "") -> Iterator[str]:
        """See `ObjectStore.list`; all keys are fetched before the first is given."""
        return iter(self._wait(lambda: [*self._store.list(prefix)]))

    def children(self, prefix: str, after: str = "") -> Names:
        """See `ObjectStore.children`."""
        return self._wait(lambda: self._store.children(prefix, after))

    def delete(self, key: str) -> None:
        """See `ObjectStore.delete`."""
        self._wait(lambda: self._store.delete(key))

    def probe(self) -> None:
        """See `ObjectStore.probe`."""
        self._wait(self._store.probe)
