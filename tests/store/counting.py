"""A store in memory that counts what is asked of it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from cycleqd.store import MemoryStore


class Counting:
    """Counts calls by method, and names that are listed.

    Args:
        store: that answers; an empty one by default.
    """

    def __init__(self, store: MemoryStore | None = None) -> None:
        self.store = MemoryStore() if store is None else store
        self.calls: Counter[str] = Counter()
        self.names = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.store, name)
        if not callable(found):
            return found

        def call(*arguments: object) -> object:
            self.calls[name] += 1
            answer = found(*arguments)
            self.names += len(answer) if isinstance(answer, list) else 0
            return answer

        return call
