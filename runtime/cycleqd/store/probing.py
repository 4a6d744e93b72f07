"""The check that a store can be trusted: many creates of one key, one winner.

Some S3 servers and gateways ignore ``If-None-Match: *`` and answer every create with success; a
run on such a store would lose results silently. The same check holds a folder on an odd network
file system to its word.
"""

from __future__ import annotations

import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from cycleqd.errors import ConditionalWritesUnsupported, StoreError, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cycleqd.store.base import ObjectStore

CONTENDERS = 8
FOLDER = "probe/"
ABANDONED_SECONDS = 3600
"""Age from which what a probe has created counts as left by a killed process. Others may be at
work: two coordinators probe one store where one takes over from another."""


@contextmanager
def probe_object(store: ObjectStore) -> Iterator[str]:
    """A fresh key below ``probe/``, whose object is deleted however the block ends.

    Only a kill leaves one; the next probe after `ABANDONED_SECONDS` removes it.
    """
    key = f"{FOLDER}{time.time():.0f}-{secrets.token_hex(8)}"
    try:
        yield key
    except StoreUnavailable:
        raise  # nor could it be deleted
    except BaseException:
        with suppress(StoreError):
            store.delete(key)
        raise
    store.delete(key)
    for left in store.list(FOLDER):
        if _is_abandoned(left):
            store.delete(left)


def _is_abandoned(key: str) -> bool:
    begun, dash, _ = key.removeprefix(FOLDER).partition("-")
    return bool(dash) and begun.isdecimal() and int(begun) < time.time() - ABANDONED_SECONDS


def probe_creates(store: ObjectStore, key: str) -> None:
    """Let `CONTENDERS` threads create one key, each with its own content.

    Raises:
        ConditionalWritesUnsupported: more than one create succeeded, or a later one did.
        StoreError: the store does not return what was written.
    """
    contents = [f"{key} {contender}\n".encode() for contender in range(CONTENDERS)]
    with ThreadPoolExecutor(CONTENDERS) as pool:
        outcomes = list(pool.map(lambda content: store.create(key, content), contents))
    winners = [content for content, won in zip(contents, outcomes, strict=True) if won]
    if len(winners) > 1 or store.create(key, b"late\n"):
        raise ConditionalWritesUnsupported(
            f"{store.uri} lets several writers create one object: {len(winners)} of {CONTENDERS} "
            "racing creates of one key succeeded. It does not honour create-if-absent "
            "(If-None-Match: *), without which workers would overwrite each other; use a server "
            "that does (docs/store.md lists those tested) and set spec.storage accordingly"
        )
    if store.read(key) not in (winners or contents):
        raise StoreError(f"{store.uri} returned something else than was written to {key}")
