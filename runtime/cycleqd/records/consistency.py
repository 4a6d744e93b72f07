"""Whether a run's documents fit one another: what no document shows alone.

A store may come from anywhere, so whoever reads it relies on nothing that is not checked: a
document of the right form may still name tasks that the run has not, or lie under another's key.
What follows by computation (plans, archives, scores) is for ``cycleqd verify``; here is what the
other commands take for granted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationError

from cycleqd.errors import StoreCorrupt
from cycleqd.manifest.model import Manifest, Spec
from cycleqd.manifest.values import Name
from cycleqd.records import keys
from cycleqd.records.document import Document, first_fault
from cycleqd.records.documents import (
    RETIRING,
    ArchiveDocument,
    ArchiveRecord,
    Count,
    ItemsRecord,
    RevisionDocument,
    RunDocument,
    Split,
)
from cycleqd.records.final_table import SummaryDocument


class TensorRecord(Document):
    """A tensor of ``run.json``'s layout."""

    name: str
    shape: Annotated[tuple[Count, ...], Field(max_length=8)]
    rank: Count
    block: Annotated[int, Field(ge=0, le=1_000_000)]


class LayoutRecord(Document):
    """The layout of ``run.json`` (`cycleqd.evolution.genome.GenomeLayout`)."""

    experts: tuple[Name, ...]
    tensors: tuple[TensorRecord, ...]


def check_run(run: RunDocument) -> None:
    """Check that ``run.json`` speaks of one set of experts and tasks.

    Raises:
        StoreCorrupt: it does not, or its manifest or layout is none.
    """
    manifest = _manifest(run.manifest, keys.RUN)
    layout = _layout(run.layout, keys.RUN)
    experts, tasks = _names(manifest)
    if list(layout.experts) != experts or set(run.experts) != set(experts):
        raise StoreCorrupt(f"{keys.RUN}: its manifest, experts and layout name other experts")
    if _retired(manifest.spec):
        raise StoreCorrupt(f"{keys.RUN}: somebody is retired in a run that begins")
    if set(run.items) != set(tasks) or any(len(splits) != 2 for splits in run.items.values()):
        raise StoreCorrupt(f"{keys.RUN}: items are not those of its manifest's tasks")
    if set(run.chat_templates) != {t.chat_template_from for t in manifest.spec.tasks} - {None}:
        raise StoreCorrupt(f"{keys.RUN}: chatTemplates are not those of its manifest's tasks")


def check_revision(
    before: Manifest,
    had: Mapping[str, Mapping[Split, ItemsRecord]],
    revision: RevisionDocument,
    key: str,
) -> None:
    """Check that a revision leaves a run's experts and tasks as they are, but for what joins.

    Args:
        before: the manifest that it follows.
        had: the items that it follows, by task and split.
        revision: the accepted change.
        key: where it is stored.

    Raises:
        StoreCorrupt: it does not, or its manifest is none.
    """
    was, now = _names(before), _names(_manifest(revision.manifest, key))
    for old, new in zip(was, now, strict=True):
        if new[: len(old)] != old:
            raise StoreCorrupt(f"{key}: its manifest has other experts or tasks than before it")
    experts, tasks = (new[len(old) :] for old, new in zip(was, now, strict=True))
    joining = {*revision.experts} == {*experts} and {*revision.items} >= {*tasks}
    if not joining or any(len(revision.items[task]) != 2 for task in tasks):
        raise StoreCorrupt(f"{key}: does not tell of what its manifest adds")
    spec = _manifest(revision.manifest, key).spec
    later, gone = spec.tasks[len(before.spec.tasks) :], _retired(spec)
    added = {("expert", name) for name in experts} | {("task", name) for name in tasks}
    if not _retired(before.spec) <= gone or gone & added:
        raise StoreCorrupt(f"{key}: retires what joins, or takes back what is retired")
    if (revision.format == RETIRING) != (gone > _retired(before.spec)):
        raise StoreCorrupt(f"{key}: its format is not that of what it changes")
    _check_items(had, {*tasks}, {name for what, name in gone if what == "task"}, revision, key)
    if set(revision.chat_templates) != {task.chat_template_from for task in later} - {None}:
        raise StoreCorrupt(f"{key}: chatTemplates are not those of the tasks that join")
    if (revision.layout is None) != (not experts):
        raise StoreCorrupt(f"{key}: has a layout without new experts, or none with them")
    if revision.layout is not None and _layout(revision.layout, key).experts != tuple(now[0]):
        raise StoreCorrupt(f"{key}: its manifest and layout name other experts")


def _check_items(
    had: Mapping[str, Mapping[Split, ItemsRecord]],
    joining: set[str],
    retired: set[str],
    revision: RevisionDocument,
    key: str,
) -> None:
    for task, splits in revision.items.items():
        for split, record in splits.items():
            known = had.get(task, {}).get(split)
            first = known is None and task in joining and not (record.version or record.extends)
            after = known is not None and _follows(known, record) and task not in retired
            if not (first or after):
                raise StoreCorrupt(f"{key}: {split} items of {task} follow none that the run had")


def _follows(known: ItemsRecord, record: ItemsRecord) -> bool:
    """Whether items may come after others: in their place, or as what is added to them."""
    extends = not record.extends or (
        record.extends == (*known.extends, known.count) and record.count > known.count
    )
    named = re.fullmatch("[0-9a-f]{64}", record.digest) is not None
    return record.version == known.version + 1 and extends and named


def check_archive(tasks: Iterable[str], archive: ArchiveDocument, generation: int) -> None:
    """Check that a commit is of this generation and has an archive for each task of the run.

    Raises:
        StoreCorrupt: it is not, or a member has no place in its archive.
    """
    key = keys.generation(generation).commit_key
    if archive.generation != generation:
        raise StoreCorrupt(f"{key}: is of generation {archive.generation}")
    tasks = set(tasks)
    if set(archive.archives) != tasks or set(archive.axes) != tasks:
        raise StoreCorrupt(f"{key}: its archives are not those of the tasks {_listed(tasks)}")
    for task, axis in archive.axes.items():
        if not axis.lower < axis.upper:
            raise StoreCorrupt(f"{key}: axes.{task}: {axis.lower} is not below {axis.upper}")
    for task, record in archive.archives.items():
        bins = [axis.bins for other, axis in archive.axes.items() if other != task]
        _check_members(record, tasks, bins, f"{key}: archives.{task}")


def _check_members(record: ArchiveRecord, tasks: set[str], bins: list[int], where: str) -> None:
    if not record.members:
        raise StoreCorrupt(f"{where}: has no member; the experts are members of every archive")
    for member in record.members:
        # An axis' bins are the run's, the same for each, so their order does not matter here.
        fits = len(member.cell) == len(bins) and all(n < max(bins) for n in member.cell)
        if set(member.scores) != tasks or not fits:
            raise StoreCorrupt(
                f"{where}: {member.candidate} has no score for each of the tasks {_listed(tasks)}, "
                "or no cell of its axes"
            )


def check_summary(tasks: Iterable[str], summary: SummaryDocument, generations: int) -> None:
    """Check that a final table is of this generation and has a score for each task of the run.

    Raises:
        StoreCorrupt: it is not.
    """
    key = keys.final(generations).commit_key
    if summary.generations != generations:
        raise StoreCorrupt(f"{key}: is of generation {summary.generations}")
    tasks = set(tasks)
    for row in summary.rows:
        if set(row.test) != tasks:
            raise StoreCorrupt(
                f"{key}: {row.candidate} has no score for each of the tasks {_listed(tasks)}"
            )


def _layout(document: dict[str, Any], key: str) -> LayoutRecord:
    try:
        layout = LayoutRecord.model_validate(document)
    except ValidationError as error:
        raise StoreCorrupt(f"{key}: layout.{first_fault(error)}") from error
    for tensor in layout.tensors:
        if tensor.rank > (min(tensor.shape) if len(tensor.shape) == 2 else 0):
            raise StoreCorrupt(
                f"{key}: layout: no tensor of shape {tensor.shape} has rank {tensor.rank}"
            )
    return layout


def _manifest(document: dict[str, Any], key: str) -> Manifest:
    try:
        return Manifest.model_validate(document, strict=False)
    except ValidationError as error:
        raise StoreCorrupt(f"{key}: manifest.{first_fault(error)}") from error


def _retired(spec: Spec) -> set[tuple[str, str]]:
    experts = {("expert", expert.name) for expert in spec.experts if expert.retired}
    return experts | {("task", task.name) for task in spec.tasks if task.retired}


def _names(manifest: Manifest) -> tuple[list[str], list[str]]:
    spec = manifest.spec
    return [expert.name for expert in spec.experts], [task.name for task in spec.tasks]


def _listed(tasks: Iterable[str]) -> str:
    return ", ".join(sorted(tasks))
