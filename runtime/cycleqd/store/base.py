"""The seam to storage: immutable objects under string keys.

Everything a run knows is an object that is created once and never changed: names are deterministic
and content follows from names, so a repeated write is a no-op and two writers cannot disagree
(``docs/store.md``). The interface therefore has no overwrite. Two back ends implement it, a folder
(`cycleqd.store.folder`) and S3 (`cycleqd.store.s3`); one conformance suite holds them equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

from cycleqd.errors import StoreCorrupt

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path


MAX_READ_BYTES = 1 << 30
"""Larger objects are read by ranges or downloaded, never into memory as a whole."""


def check_size(key: str, uri: str, size: int) -> None:
    """Check that an object may be read as a whole.

    Raises:
        StoreCorrupt: it is larger than `MAX_READ_BYTES`, and so than any that is.
    """
    if size > MAX_READ_BYTES:
        raise StoreCorrupt(f"object {key} in {uri} has {size} bytes, {MAX_READ_BYTES} at most")


# Inside the classes below, ``list`` is the method.
Names: TypeAlias = list[str]


@runtime_checkable
class ObjectStore(Protocol):
    """Objects under ``/``-separated keys relative to the run's prefix.

    Every method raises `cycleqd.errors.StoreUnavailable` when the store cannot be reached after
    retries and `cycleqd.errors.StoreError` for other failures. Implementations are safe to share
    between threads; another process opens the store anew by `cycleqd.store.open_store(uri)`.
    """

    @property
    def uri(self) -> str:
        """Where the store is, as the user may write it (``s3://bucket/prefix`` or a folder)."""
        ...

    def create(self, key: str, data: bytes) -> bool:
        """Create an object unless the key exists.

        The object appears whole or not at all, and is durable when the call returns.

        Returns:
            True when this call created it, False when it was already there (its content is kept).

        Raises:
            StoreFull: no space is left.
        """
        ...

    def create_file(self, key: str, path: Path) -> bool:
        """Like `create`, streaming from a local file; large files go in parts."""
        ...

    def read(self, key: str) -> bytes:
        """The whole object, its checksum verified.

        Raises:
            ObjectNotFound: no object has this key.
            StoreCorrupt: the bytes differ from what was written, or are more than
                `MAX_READ_BYTES`.
        """
        ...

    def read_range(self, key: str, start: int, length: int) -> bytes:
        """``length`` bytes from ``start``, fewer at the end: for headers of files; unverified."""
        ...

    def download(self, key: str, path: Path) -> None:
        """The whole object into a local file, streamed and verified; the file appears whole.

        Raises:
            ObjectNotFound: no object has this key.
            StoreCorrupt: the bytes differ from what was written; no file is left behind.
        """
        ...

    def exists(self, key: str) -> bool:
        """Whether an object has this key."""
        ...

    def size(self, key: str) -> int:
        """The object's size in bytes.

        Raises:
            ObjectNotFound: no object has this key.
        """
        ...

    def written(self, key: str) -> datetime:
        """When the object was written, by the clock of where it lies, in UTC.

        For people who look at a run; nothing that a run does may depend on it.

        Raises:
            ObjectNotFound: no object has this key.
        """
        ...

    def list(self, prefix: str = "") -> Iterator[str]:
        """Keys that start with ``prefix``, in lexicographic (byte) order."""
        ...

    def children(self, prefix: str, after: str = "") -> Names:
        """Names directly below the folder ``prefix``, sorted, without listing what lies deeper.

        ``children("generations/")`` returns ``["000000", "000001"]``; objects and folders alike.

        Args:
            prefix: the folder.
            after: only names that are greater; the others are not looked at, and cost nothing.
        """
        ...

    def delete(self, key: str) -> None:
        """Remove an object; a missing one is not an error.

        Only for weights that nothing refers to: everything else is immutable.
        """
        ...

    def probe(self) -> None:
        """Check that the store can be written and honours create-if-absent.

        Raises:
            ConditionalWritesUnsupported: two creates of one key both succeeded.
            StoreError: it cannot be written, naming the setting to change.
        """
        ...
