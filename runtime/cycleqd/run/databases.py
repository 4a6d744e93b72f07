"""Database files of items: found when a run begins, copied into its store, read from there since.

The store keeps each once, by its SHA-256 (`keys.database`); items name it by that, so the digest of
the items covers what the databases hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cycleqd.errors import ObjectNotFound
from cycleqd.evaluation.tasks.databases import (
    FIELD,
    FOLDERS,
    DatabaseFiles,
    Databases,
    digest_of,
    places,
)
from cycleqd.evaluation.tasks.form import Unusable
from cycleqd.records import keys
from cycleqd.scratch import ScratchFolder, scratch_folder
from cycleqd.store import ObjectStore
from cycleqd.store.foreign import download_foreign
from cycleqd.store.opening import open_store
from cycleqd.store.settings import S3Settings

_S3 = "s3://"


@contextmanager
def published_databases(
    items: str, folder: str | None, s3: S3Settings | None
) -> Iterator[Databases]:
    """The databases of published items, for as long as the block lasts.

    Args:
        items: URI of the file of items.
        folder: URI of the databases' folder; beside the items when absent.
        s3: how to reach those on S3.
    """
    if not (items if folder is None else folder).startswith(_S3):
        yield DatabaseFiles.beside(Path(items), folder)
        return
    beside = items.rpartition("/")[0]
    folders = [folder] if folder is not None else [f"{beside}/{name}" for name in FOLDERS]
    with scratch_folder("databases") as local:
        yield _RemoteDatabases(folders, s3, local)


class _RemoteDatabases:
    """Database files in folders on S3.

    Args:
        folders: URIs of where to look, the first that has a database wins.
        s3: how to reach them.
        local: folder for downloads.
    """

    def __init__(self, folders: Sequence[str], s3: S3Settings | None, local: Path) -> None:
        self._folders = [uri.rstrip("/") for uri in folders]
        self._s3 = s3
        self._local = local
        self._digests: dict[str, str] = {}
        self._files: dict[str, Path] = {}

    def named(self, name: str) -> str:
        """See `cycleqd.evaluation.tasks.databases.Databases`."""
        if name not in self._digests:
            path = self._download(name)
            self._digests[name] = digest_of(path)
            self._files[self._digests[name]] = path
        return self._digests[name]

    def _download(self, name: str) -> Path:
        path = self._local / f"{len(self._files)}.sqlite"
        for folder in self._folders:
            store = open_store(folder, self._s3)
            for way in places(name):
                try:
                    download_foreign(store, way, path)
                except ObjectNotFound:
                    continue
                return path
        raise Unusable(
            FIELD,
            f"no database {name!r}: no object {self._folders[0]}/{places(name)[0]}; put the "
            "databases there, or write their folder as sql.databases",
        )

    def stored(self, digest: str) -> Path:
        """See `cycleqd.evaluation.tasks.databases.Databases`."""
        return self._files[digest]


class StoredDatabases:
    """The database files of a run, fetched from its store when they are asked for.

    Args:
        objects: the run's store.
        place: where to keep them; default: the folder for temporary files.
    """

    def __init__(self, objects: ObjectStore, place: Path | None = None) -> None:
        self._objects = objects
        self._place = place
        self._folder: ScratchFolder | None = None

    def named(self, name: str) -> str:
        """Never needed: stored items name their databases by digest."""
        raise Unusable(FIELD, f"no database {name!r} in a run's store")

    def stored(self, digest: str) -> Path:
        """See `cycleqd.evaluation.tasks.databases.Databases`.

        Raises:
            StoreError: it cannot be read.
        """
        if self._folder is None:
            self._folder = ScratchFolder("databases", self._place)
            # Programs of another user read the files where they are.
            self._folder.path.chmod(0o711)
        path = self._folder.path / f"{digest}.sqlite"
        if not path.exists():
            self._objects.download(keys.database(digest), path)
            path.chmod(0o644)
        return path

    def close(self) -> None:
        """Remove the local files; may be called twice."""
        if self._folder is not None:
            self._folder.close()
            self._folder = None
