"""Where a run is kept: immutable objects in a folder or an S3 bucket, behind one interface.

`open_store` takes the URI a user writes; `base.ObjectStore` is the contract; `memory.MemoryStore`
is the official double for tests. ``docs/store.md`` describes layout and guarantees.
"""

from cycleqd.store.base import ObjectStore
from cycleqd.store.memory import MemoryStore
from cycleqd.store.opening import open_store
from cycleqd.store.prefixed import PrefixedStore
from cycleqd.store.settings import S3Settings

__all__ = ["MemoryStore", "ObjectStore", "PrefixedStore", "S3Settings", "open_store"]
