"""Database files that items ask questions about, which stand beside the items as published."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from cycleqd.evaluation.tasks.form import Unusable

FOLDERS = ("database", "databases", "dev_databases", "train_databases", "test_database", "")
"""Folders beside a file of items in which its databases are looked for; "" is the file's own."""

FIELD = "db_id"
"""The field by which rows name their database."""

_HEADER = b"SQLite format 3\0"
_NAME = re.compile(r"[\w][\w .&()-]*")


class Databases(Protocol):
    """Finds SQLite files."""

    def named(self, name: str) -> str:
        """SHA-256 of the database that the dataset calls so.

        Raises:
            Unusable: there is none, or it cannot be used.
        """
        ...

    def stored(self, digest: str) -> Path:
        """The local file with this SHA-256."""
        ...


def places(name: str) -> tuple[str, str]:
    """Where a database is in the folder of all databases, as Spider and BIRD have it, or simpler.

    Raises:
        Unusable: the name could lead elsewhere.
    """
    if not _NAME.fullmatch(name):
        raise Unusable(FIELD, f"{name!r} cannot be the name of a file; rename the database")
    return f"{name}/{name}.sqlite", f"{name}.sqlite"


class DatabaseFiles:
    """Database files in folders of this machine.

    Args:
        folders: where to look, the first that has a database wins.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._digests: dict[str, str] = {}
        self._files: dict[str, Path] = {}

    @classmethod
    def beside(cls, items: Path, folder: str | None = None) -> DatabaseFiles:
        """Those of a file of items.

        Args:
            items: the file.
            folder: where its databases are; in the usual folders beside it when absent.
        """
        if folder is not None:
            return cls([Path(folder)])
        return cls([items.absolute().parent / name for name in FOLDERS])

    def named(self, name: str) -> str:
        """See `Databases`."""
        if name not in self._digests:
            ways = places(name)
            paths = [folder / way for folder in self._folders for way in ways]
            path = next((path for path in paths if path.is_file()), None)
            if path is None:
                raise Unusable(
                    FIELD,
                    f"no database {name!r}: {paths[0]} does not exist; put the databases there, or "
                    "write their folder as sql.databases",
                )
            self._digests[name] = digest_of(path)
            self._files[self._digests[name]] = path.absolute()
        return self._digests[name]

    def stored(self, digest: str) -> Path:
        """See `Databases`."""
        return self._files[digest]


def digest_of(path: Path) -> str:
    """SHA-256 of a database file.

    Raises:
        Unusable: it is none, or a part of it is in another file.
    """
    for suffix in ("-wal", "-journal"):
        log = path.with_name(f"{path.name}{suffix}")
        if log.is_file() and log.stat().st_size > 0:
            raise Unusable(
                FIELD,
                f"{path}: the database is open, or was not closed: {log.name} holds a part of it; "
                f"close it, or run `sqlite3 {path.name} 'PRAGMA journal_mode = DELETE'`",
            )
    try:
        with path.open("rb") as file:
            if file.read(len(_HEADER)) != _HEADER:
                raise Unusable(FIELD, f"{path}: is no SQLite database; copy it again")
            file.seek(0)
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Unusable(FIELD, f"{path}: cannot be read: {error.strerror}") from error
