"""The files of a run's items, read where the manifest says they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cycleqd.errors import DatasetError, ObjectNotFound
from cycleqd.evaluation.tasks import read_items, skill_of
from cycleqd.evaluation.tasks.reading import Dataset
from cycleqd.manifest.model import Task
from cycleqd.manifest.uris import where_paths_start
from cycleqd.records.documents import Split
from cycleqd.run.databases import published_databases
from cycleqd.scratch import scratch_folder
from cycleqd.store import S3Settings
from cycleqd.store.access import open_location
from cycleqd.store.foreign import download_foreign

SPLITS: tuple[Split, Split] = ("search", "test")


def limit_of(task: Task, split: Split) -> int | None:
    """How many items of a split are used, None for all."""
    return task.items.search_limit if split == "search" else task.items.test_limit


def uri_of(task: Task, split: Split) -> str:
    """Where the items of a split are."""
    return task.items.search if split == "search" else task.items.test


def read_split(task: Task, split: Split, s3: S3Settings | None, kept: ExitStack) -> Dataset:
    """The items that a manifest names.

    Args:
        task: names them.
        split: which of them.
        s3: how to reach those on S3.
        kept: keeps databases that are downloaded.

    Raises:
        DatasetError: they are not there, or cannot be used.
    """
    uri = uri_of(task, split)
    skill = skill_of(task.type, task.settings)
    with _local_file(uri, s3) as path:
        files = kept.enter_context(published_databases(uri, skill.database_folder, s3))
        return read_items(path, skill, limit=limit_of(task, split), name=uri, databases=files)


@contextmanager
def _local_file(uri: str, s3: S3Settings | None) -> Iterator[Path]:
    """A local file with an object's content."""
    if not uri.startswith("s3://"):
        if not Path(uri).is_file():
            raise DatasetError(f"{uri}: no such file; {where_paths_start(uri)}")
        yield Path(uri)
        return
    store, name = open_location(uri, s3)
    with scratch_folder("items") as folder:
        path = folder / name
        try:
            download_foreign(store, name, path)
        except ObjectNotFound as error:
            raise DatasetError(f"{uri}: no such object") from error
        yield path
