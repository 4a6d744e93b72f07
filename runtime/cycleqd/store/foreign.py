"""Objects that somebody else put into a bucket: base models, experts and items of the users.

``aws s3 cp`` and its like record no checksum of ours, so these are fetched by ranges and not
verified here. Whoever uses them computes their digest, which the run records and compares.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cycleqd.store.localfile import atomic_file, write_all

if TYPE_CHECKING:
    from pathlib import Path

    from cycleqd.store.base import ObjectStore

CHUNK_BYTES = 128 << 20


def download_foreign(store: ObjectStore, key: str, path: Path) -> None:
    """A whole object into a local file, which appears whole.

    Raises:
        ObjectNotFound: no object has this key.
    """
    size = store.size(key)
    with atomic_file(path) as descriptor:
        for start in range(0, size, CHUNK_BYTES):
            write_all(descriptor, store.read_range(key, start, CHUNK_BYTES), start)
