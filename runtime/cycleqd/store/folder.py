"""The store as a folder of ordinary files.

An object is a file under its key, to be opened by anything. It comes into being by one `os.link`
from a finished and synced temporary file: the link fails when the name is taken and is atomic, so
of many writers one wins and a reader sees a whole object or none, whichever instruction a writer
is killed at.

Next to the objects stand hidden helpers, which no listing shows::

    a/plan.json                      the object
    a/.sha256/plan.json.<64 hex>     an empty file whose name is the object's checksum
    .tmp/<random>                    an object being written, or what a killed writer left

The checksum file is made durable *before* the link, so an object is never without it. A writer
that loses the race leaves its own checksum beside the winner's; content is right when its SHA-256
is one of those recorded. Names of files are portable: a folder copied with its hidden files (``cp
-a``, ``rsync -a``) is the same store, and so is any folder inside it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from io import BufferedReader
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from cycleqd.errors import ObjectNotFound, StoreCorrupt, StoreError
from cycleqd.store.base import check_size
from cycleqd.store.keys import MAX_KEY, check_key, check_prefix, folder_prefix, is_name
from cycleqd.store.localfile import (
    CHUNK,
    atomic_file,
    disk_errors,
    make_folder,
    sync_folder,
    write_all,
)
from cycleqd.store.probing import probe_creates, probe_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import FileIO

    from cycleqd.store.base import Names

CHECKSUMS = ".sha256"
TEMPORARY = ".tmp"
# A temporary file this old has no living writer: its time stamp moves with every write. A writer
# that slept longer (a suspended machine) finds its file gone at the link and starts over.
ABANDONED_SECONDS = 3600.0
ATTEMPTS = 5
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def _copy(source: FileIO, descriptor: int) -> str:
    """Copy a file from its position on; returns the SHA-256 of what was copied."""
    digest = hashlib.sha256()
    while chunk := source.read(CHUNK):
        digest.update(chunk)
        write_all(descriptor, chunk)
    return digest.hexdigest()


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:
        if error.errno == errno.ELOOP:
            return False  # a link to itself; whoever reads it is told so
        raise


class FolderStore:
    """An `ObjectStore` in a folder; safe between threads, processes and machines that share it."""

    def __init__(self, root: Path) -> None:
        self._root = Path(os.path.abspath(root))  # noqa: PTH100 - keeps symbolic links as written

    def __repr__(self) -> str:
        return f"FolderStore({self.uri!r})"

    @property
    def uri(self) -> str:
        """The folder's absolute path."""
        return str(self._root)

    def create(self, key: str, data: bytes) -> bool:
        """See `ObjectStore.create`."""

        def write(descriptor: int) -> str:
            write_all(descriptor, data)
            return hashlib.sha256(data).hexdigest()

        return self._publish(key, write)

    def create_file(self, key: str, path: Path) -> bool:
        """See `ObjectStore.create_file`."""

        def write(descriptor: int) -> str:
            source.seek(0)
            return _copy(source, descriptor)

        with disk_errors(f"cannot read {path}"), path.open("rb", buffering=0) as source:
            return self._publish(key, write)

    def read(self, key: str) -> bytes:
        """See `ObjectStore.read`."""
        with self._reading(key) as (source, size):
            check_size(key, self.uri, size)
            data = source.readall()
            self._verify(key, hashlib.sha256(data).hexdigest())
        return data

    def read_range(self, key: str, start: int, length: int) -> bytes:
        """See `ObjectStore.read_range`."""
        with self._reading(key) as (source, _), BufferedReader(source) as buffered:
            buffered.seek(start)
            return buffered.read(length)

    def download(self, key: str, path: Path) -> None:
        """See `ObjectStore.download`."""
        with self._reading(key) as (source, _), atomic_file(path) as descriptor:
            self._verify(key, _copy(source, descriptor))

    def exists(self, key: str) -> bool:
        """See `ObjectStore.exists`."""
        path = self._path(key)
        with disk_errors(f"cannot look up {key} in {self.uri}"):
            try:
                status = path.stat()
            except (FileNotFoundError, NotADirectoryError):
                return False
        self._check_file(key, status.st_mode)
        return True

    def size(self, key: str) -> int:
        """See `ObjectStore.size`."""
        with self._reading(key) as (_, size):
            return size

    def written(self, key: str) -> datetime:
        """See `ObjectStore.written`."""
        with self._reading(key) as (source, _):
            return datetime.fromtimestamp(os.fstat(source.fileno()).st_mtime, UTC)

    def list(self, prefix: str = "") -> Iterator[str]:
        """See `ObjectStore.list`."""
        folder, _, beginning = check_prefix(prefix).rpartition("/")
        with disk_errors(f"cannot list {self.uri}/{prefix}"):
            yield from self._walk(f"{folder}/" if folder else "", beginning)

    def children(self, prefix: str, after: str = "") -> Names:
        """See `ObjectStore.children`."""
        folder = folder_prefix(prefix)
        with disk_errors(f"cannot list {self.uri}/{folder}"):
            return sorted(
                name.removesuffix("/")
                for name in self._entries(folder)
                if name.removesuffix("/") > after
                # A folder without objects is a killed writer's; S3 has no such thing.
                and (not name.endswith("/") or any(self._walk(folder + name)))
            )

    def delete(self, key: str) -> None:
        """See `ObjectStore.delete`."""
        path = self._path(key)
        with disk_errors(f"cannot delete {key} in {self.uri}"):
            with suppress(FileNotFoundError, NotADirectoryError):
                path.unlink()
            for checksum in self._checksums(path):
                checksum.unlink(missing_ok=True)
            self._prune(path.parent)

    def probe(self) -> None:
        """See `ObjectStore.probe`; also sweeps what killed writers left.

        Folders that it had to make are gone again: a run that is refused next leaves nothing.
        """
        makes = self._missing()
        try:
            with probe_object(self) as key:
                probe_creates(self, key)
        finally:
            with suppress(OSError):  # not empty: another writer has begun
                for folder in makes:
                    folder.rmdir()
        self.sweep()

    def sweep(self, older_than: float = ABANDONED_SECONDS) -> int:
        """Remove temporary files of writers that are gone.

        Args:
            older_than: seconds since the file was last written to.

        Returns:
            How many were removed.
        """
        swept = 0
        limit = time.time() - older_than
        with disk_errors(f"cannot sweep {self.uri}"):
            for path in self._scan(self._root / TEMPORARY):
                try:
                    if path.stat().st_mtime < limit:
                        path.unlink()
                        swept += 1
                except FileNotFoundError:
                    continue  # its writer has finished, or another sweeper was faster
        return swept

    def _path(self, key: str) -> Path:
        return self._root / check_key(key)

    def _publish(self, key: str, write: Callable[[int], str]) -> bool:
        """Create an object from what ``write`` puts into a descriptor; it returns the SHA-256."""
        path = self._path(key)
        with disk_errors(f"cannot create {key} in {self.uri}"):
            if path.is_file():
                sync_folder(path.parent)  # its creator may not have come to it yet
                return False
            for _ in range(ATTEMPTS):
                try:
                    return self._try_publish(path, write)
                except FileNotFoundError:
                    # A concurrent delete pruned the folder under us, or the temporary file was
                    # swept while this process slept: start over.
                    continue
        raise StoreError(f"cannot create {key} in {self.uri}: its folder keeps disappearing")

    def _try_publish(self, path: Path, write: Callable[[int], str]) -> bool:
        temporary = self._root / TEMPORARY / secrets.token_hex(12)
        make_folder(temporary.parent)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            digest = write(descriptor)
            os.fsync(descriptor)
            make_folder(path.parent / CHECKSUMS)
            checksum = path.parent / CHECKSUMS / f"{path.name}.{digest}"
            self._record(checksum)
            created = self._link(temporary, path, descriptor)
            sync_folder(path.parent)
            if created and not checksum.exists():
                self._record(checksum)  # a concurrent delete of the key's last life took it
            return created
        finally:
            os.close(descriptor)
            temporary.unlink(missing_ok=True)

    def _record(self, checksum: Path) -> None:
        checksum.touch()
        sync_folder(checksum.parent)

    def _link(self, temporary: Path, path: Path, descriptor: int) -> bool:
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            if path.is_dir():
                raise
            # NFS may repeat a request whose answer was lost: a second name is our success.
            return os.fstat(descriptor).st_nlink > 1
        except PermissionError as error:
            raise StoreError(
                f"cannot link {path}: {error.strerror}; the file system must have hard links and "
                "be writable (spec.storage.uri: choose another folder, or S3)"
            ) from error
        return True

    @contextmanager
    def _reading(self, key: str) -> Iterator[tuple[FileIO, int]]:
        """The object's file, open, and its size; a missing one is `ObjectNotFound`."""
        path = self._path(key)
        with disk_errors(f"cannot read {key} in {self.uri}"):
            try:
                status = path.stat()
                # Before it is opened: that alone would wait for a writer of a FIFO.
                self._check_file(key, status.st_mode)
                source = path.open("rb", buffering=0)
            except (FileNotFoundError, NotADirectoryError):
                raise ObjectNotFound(f"no object {key} in {self.uri}") from None
            with source:
                yield source, status.st_size

    def _check_file(self, key: str, mode: int) -> None:
        if not stat.S_ISREG(mode):
            kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "no file")
            raise StoreCorrupt(
                f"object {key} in {self.uri} is {kind} where a file was written; restore it from a "
                "copy, or move it away to have it made again"
            )

    def _verify(self, key: str, digest: str) -> None:
        path = self._path(key)
        if (path.parent / CHECKSUMS / f"{path.name}.{digest}").is_file():
            return
        if not any(self._checksums(path)):
            raise StoreCorrupt(
                f"object {key} in {self.uri} has no recorded checksum; was the folder copied "
                f"without its hidden {CHECKSUMS} folders?"
            )
        raise StoreCorrupt(
            f"object {key} in {self.uri} is damaged: its SHA-256 is {digest}, which is not what "
            "was written; restore it from a copy, or delete the file to have it made again"
        )

    def _checksums(self, path: Path) -> Iterator[Path]:
        for checksum in self._scan(path.parent / CHECKSUMS):
            if checksum.stem == path.name:
                yield checksum

    def _scan(self, folder: Path) -> tuple[Path, ...]:
        try:
            return tuple(folder.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return ()

    def _entries(self, folder: str) -> Iterator[str]:
        """Names in a folder in the byte order of the keys below them; folders end with a slash."""
        names = []
        try:
            with os.scandir(self._root / folder) as entries:
                ours = [entry for entry in entries if is_name(entry.name)]
                names = [f"{e.name}/" if _is_folder(e) else e.name for e in ours]
        except (FileNotFoundError, NotADirectoryError):
            pass
        yield from sorted(names)

    def _walk(self, folder: str, beginning: str = "") -> Iterator[str]:
        for name in self._entries(folder):
            # Nothing so deep is ours; a link to a folder above it would lead on for ever.
            if not name.startswith(beginning) or len(folder) + len(name) > MAX_KEY:
                continue
            if name.endswith("/"):
                yield from self._walk(folder + name)
            else:
                yield folder + name

    def _missing(self) -> tuple[Path, ...]:
        """Folders that the first object will make, the innermost first."""
        folders = (self._root / TEMPORARY, self._root, *self._root.parents)
        return tuple(takewhile(lambda folder: not folder.exists(), folders))

    def _prune(self, folder: Path) -> None:
        """Remove folders that hold nothing any more, up to the root."""
        while folder != self._root and self._root in folder.parents:
            try:
                if (folder / CHECKSUMS).is_dir():
                    (folder / CHECKSUMS).rmdir()
                folder.rmdir()
            except OSError:
                return  # not empty, or in use: a folder without objects shows nowhere
            folder = folder.parent
