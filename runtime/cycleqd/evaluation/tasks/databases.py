"""Database files that items ask questions about, which stand beside the items as published."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class Databases(Protocol):
    """Finds SQLite files."""

    def named(self, name: str) -> tuple[str, Path]:
        """SHA-256 and local file of the database that the dataset calls so.

        Raises:
            Unusable: there is none, or it cannot be used.
        """
        ...

    def stored(self, digest: str) -> Path:
        """The local file with this SHA-256.

        Raises:
            StoreError: there is none.
        """
        ...
