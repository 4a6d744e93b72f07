"""Other items for a task of a living run: whether a manifest names some, and what becomes of them.

What counts are the items that are used, not the name or the form of their file. Items that are the
old ones with others behind them *extend* these; all else replaces them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from cycleqd.checkpoints.source import location_of
from cycleqd.errors import DatasetError
from cycleqd.evaluation.tasks import read_items, skill_of
from cycleqd.evaluation.tasks.items import Item
from cycleqd.evaluation.tasks.reading import Dataset
from cycleqd.manifest.model import Manifest, Task
from cycleqd.manifest.uris import local_path
from cycleqd.records.documents import ItemsRecord, Split
from cycleqd.run.admitted_checkpoints import Sought
from cycleqd.run.items import SPLITS, read_split, uri_of
from cycleqd.run.prompts import SplitItems
from cycleqd.run.refusals import Refusals
from cycleqd.run.revision import Revision
from cycleqd.run.store import RunStore
from cycleqd.store import S3Settings


def stored_items(run: RunStore, revision: Revision, task: Task, split: Split) -> tuple[Item, ...]:
    """The items that a task of a run has."""
    with run.items_file(revision, task.name, split) as path:
        skill = skill_of(task.type, task.settings)
        return read_items(path, skill, limit=revision.items[task.name][split].count).items


def other_items(
    run: RunStore, current: Revision, manifest: Manifest, s3: S3Settings | None, *, look: bool
) -> dict[str, frozenset[Split]]:
    """The tasks that a run has and that are to get other items, with the splits that change.

    Args:
        run: the run's store.
        current: the run as it is.
        manifest: what is asked for; it names the run's tasks first.
        s3: how to reach items on S3.
        look: whether files of this machine that the manifest still names are compared, too.

    Raises:
        InputError: items that the manifest names cannot be used.
    """
    refusals = Refusals()
    found: dict[str, frozenset[Split]] = {}
    pairs = zip(current.manifest.spec.tasks, manifest.spec.tasks, strict=False)
    for number, (had, task) in enumerate(pairs):
        if task.retired:
            continue
        splits: set[Split] = set()
        for split in SPLITS:
            named = _named(had, split) != _named(task, split)
            if not (named or (look and _is_same_place(current, uri_of(task, split)))):
                continue
            with refusals.of(f"spec.tasks[{number}].items.{split}"):
                if _differ(run, current, task, split, s3):
                    splits.add(split)
        if splits:
            found[task.name] = frozenset(splits)
    refusals.raise_any()
    return found


def _named(task: Task, split: Split) -> tuple[str, int | None]:
    items = task.items
    limit = items.search_limit if split == "search" else items.test_limit
    return uri_of(task, split), limit


def _is_same_place(current: Revision, uri: str) -> bool:
    """Whether a file of this machine is the one that the run began with, by its name.

    A run is continued from any folder, where a relative path may lead to somebody else's file.
    """
    if local_path(uri) is None or not Path(uri).is_file():
        return False
    sources = (current.base, *current.experts.values())
    found = {s.location == location_of(s.uri) for s in sources if s.location is not None}
    return Path(uri).is_absolute() or False not in found


def _differ(
    run: RunStore, current: Revision, task: Task, split: Split, s3: S3Settings | None
) -> bool:
    """Whether the items that a manifest names are others than those of the run."""
    record, uri = current.items[task.name][split], uri_of(task, split)
    unnamed = _named(next(t for t in current.spec.tasks if t.name == task.name), split)
    if unnamed == _named(task, split) and _digest(uri) == record.digest:
        return False
    with ExitStack() as kept:
        found = read_split(task, split, s3, kept)
    if (found.digest, len(found.items)) == (record.digest, record.count):
        return False
    return _fields(found.items) != _fields(stored_items(run, current, task, split))


def _digest(path: str) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fields(items: Sequence[Item]) -> list[Mapping[str, Any]]:
    return [item.fields for item in items]


def following(
    record: ItemsRecord, split: Split, had: Sequence[Item], found: Dataset
) -> ItemsRecord:
    """What the run says of items that come after others.

    Args:
        record: what it says of these.
        split: which items; only those of the search are ever asked in two parts.
        had: these.
        found: what comes after them.
    """
    old, new = _fields(had), _fields(found.items)
    extends = split == "search" and len(new) > len(old) and new[: len(old)] == old
    return ItemsRecord(
        uri=record.uri,
        digest=found.digest,
        count=len(new),
        version=record.version + 1,
        extends=(*record.extends, record.count) if extends else (),
    )


def after_earlier(
    run: RunStore,
    known: Revision,
    sought: Sought,
    read: Sequence[SplitItems],
    refusals: Refusals,
) -> list[SplitItems]:
    """Items as what comes after those that their tasks have had, where they have had any.

    Args:
        run: the run's store.
        known: the run as it is.
        sought: says which tasks get other items.
        read: all items that were read, some for comparison alone.
        refusals: takes what must not come after what was there.
    """
    found: list[SplitItems] = []
    for items in read:
        if items.name not in known.items:
            found.append(items)
            continue
        task, split = sought.spec.tasks[items.task], items.split
        record, had = known.items[task.name][split], stored_items(run, known, task, split)
        now = replace(items, after=following(record, split, had, items.found))
        found.append(now)
        if split in sought.items[task.name]:
            with refusals.of(items.field):
                _check_earlier(run, task, now)
    return found


def _check_earlier(run: RunStore, task: Task, items: SplitItems) -> None:
    """See that held-out items were never searched on, and unseen ones never taught.

    Raises:
        DatasetError: it is not so.
    """
    searched = set(_searched(run, task))
    if items.split == "test":
        if shared := searched & {*items.prompts}:
            raise DatasetError(
                f"the search has used {len(shared)} of these items before, for example "
                f"{min(shared)[:80]!r}; the held-out items must be unseen: take other ones"
            )
        return
    tune = run.history.latest().spec.evolution.tune
    if tune is None or tune.hold_out_share == 0 or not task.train:
        return
    kept = items.record.extends[-1] if items.record.extends else 0
    if shared := searched & {*items.prompts[kept:]}:
        raise DatasetError(
            f"{len(shared)} of the new items were among those that the run had, for example "
            f"{min(shared)[:80]!r}; members may have learned their answers, and "
            "spec.evolution.tune.holdOutShare keeps a part unseen: append new items to those that "
            "are there, or take others"
        )


def prompts_had(run: RunStore, known: Revision) -> dict[Split, dict[str, set[str]]]:
    """Prompts of the tasks of a run: all that were ever searched on, and those held out now."""
    tasks = known.spec.tasks
    return {
        # Members may have learned the answers of retired tasks, too.
        "search": {task.name: {*_searched(run, task)} for task in known.manifest.spec.tasks},
        "test": {
            task.name: {item.text("prompt") for item in stored_items(run, known, task, "test")}
            for task in tasks
        },
    }


def _searched(run: RunStore, task: Task) -> Iterator[str]:
    """Prompts of all search items that a task has ever had."""
    seen = set()
    for revision in run.history.refresh():
        if task.name in revision.items:
            version = revision.items[task.name]["search"].version
            if version not in seen:
                seen.add(version)
                for item in stored_items(run, revision, task, "search"):
                    yield item.text("prompt")
