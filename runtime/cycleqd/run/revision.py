"""A run as of a generation: everything that a plan, a commit or an evaluation depends on.

What was accepted when the run began (``run.json``, with the steps of its curriculum) and every
accepted change since (``revisions/``) stand in the store for ever. Whoever plans, commits,
evaluates or verifies a generation asks `History` for the revision that holds there, and keeps
nothing of it by itself. The latest one may be of the future: it tells what was asked for last.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from cycleqd.errors import InputError, ObjectNotFound
from cycleqd.evolution.genome import GenomeLayout
from cycleqd.evolution.hold_out import HoldOut, hold_out_of
from cycleqd.evolution.race import Race, race_of
from cycleqd.manifest.model import Manifest, Spec
from cycleqd.records import consistency, keys
from cycleqd.records.documents import (
    ItemsRecord,
    RevisionDocument,
    RunDocument,
    SourceRecord,
    Split,
)
from cycleqd.store.base import ObjectStore


@dataclass(frozen=True)
class Revision:
    """What a run is from one generation on.

    Attributes:
        number: 0 for the run as it began, then the number of the accepted change.
        from_generation: the first generation that it holds for. Where somebody joins, that
            generation is spent on it (`cycleqd.evolution.joining`).
        run: what was accepted when the run began.
        manifest: the manifest in force.
        layouts: what the axes of genomes mean: when the run began, and whenever experts joined.
        experts: expert checkpoints by name.
        items: items by task and split.
        chat_templates: SHA-256 of those that tasks take from experts, by expert.
        joins: the generations that experts, tasks or items have joined or retired in, each spent on
            that.
        max_failed: how many candidates may fail. More at once where a later change allows it, even
            if that holds as a whole only after somebody has joined.
    """

    number: int
    from_generation: int
    run: RunDocument
    manifest: Manifest
    layouts: tuple[GenomeLayout, ...]
    experts: Mapping[str, SourceRecord]
    items: Mapping[str, Mapping[Split, ItemsRecord]]
    chat_templates: Mapping[str, str]
    joins: tuple[int, ...] = ()
    max_failed: int = 0

    @classmethod
    def first(cls, run: RunDocument) -> Revision:
        """A run as it began."""
        manifest = parse_stored_manifest(run.manifest)
        layouts = (GenomeLayout.from_json(run.layout),)
        return cls(
            number=0,
            from_generation=0,
            run=run,
            manifest=manifest,
            layouts=layouts,
            experts=run.experts,
            items=run.items,
            chat_templates=run.chat_templates,
            max_failed=manifest.spec.evolution.max_failed_candidates,
        )

    def followed_by(self, document: RevisionDocument) -> Revision:
        """The run after the next accepted change."""
        joins = {*self.joins, document.from_generation} if document.joins else self.joins
        more = () if document.layout is None else (GenomeLayout.from_json(document.layout),)
        manifest = parse_stored_manifest(document.manifest)
        return replace(
            self,
            number=self.number + 1,
            from_generation=document.from_generation,
            manifest=manifest,
            layouts=(*self.layouts, *more),
            experts={**self.experts, **document.experts},
            items={
                **self.items,
                **{t: {**self.items.get(t, {}), **new} for t, new in document.items.items()},
            },
            chat_templates={**self.chat_templates, **document.chat_templates},
            joins=tuple(sorted(joins)),
            max_failed=manifest.spec.evolution.max_failed_candidates,
        )

    @cached_property
    def spec(self) -> Spec:
        """What to run: the manifest's without what is retired."""
        return self.manifest.spec.without_retired()

    @property
    def layout(self) -> GenomeLayout:
        """What the axes of genomes mean."""
        return self.layouts[-1]

    @property
    def changed_experts(self) -> int:
        """How many experts have joined or retired after the run had begun."""
        joined = len(self.layouts[-1].experts) - len(self.layouts[0].experts)
        return joined + len(self.layouts[-1].experts) - len(self.spec.experts)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks in the manifest's order, without those that are retired."""
        return tuple(task.name for task in self.spec.tasks)

    def items_key(self, task: str, split: Split) -> str:
        """Key of the items that a task has."""
        record = self.items[task][split]
        return keys.items(task, split, record.digest if record.version else "")

    def first_items(self, before: Revision) -> dict[str, int]:
        """The tasks whose search items are not those that they had, in the manifest's order.

        Args:
            before: the run until then.

        Returns:
            By task the place of the first item that is new: 0 where the items replace others.
        """
        found: dict[str, int] = {}
        for task in (task for task in before.tasks if task in self.tasks):
            known, now = before.items[task]["search"], self.items[task]["search"]
            if known.version != now.version:
                found[task] = known.count if now.holds(known) else 0
        return found

    def holding(self, other: Revision) -> Collection[str]:
        """The tasks whose search items another revision had too, or a beginning of them."""
        return [
            task
            for task in self.tasks
            if task in other.items and self.items[task]["search"].holds(other.items[task]["search"])
        ]

    @property
    def search_counts(self) -> dict[str, int | None]:
        """By task the number of search items; None where it has never had others."""
        found = {task: self.items[task]["search"] for task in self.tasks}
        return {task: record.count if record.version else None for task, record in found.items()}

    @property
    def hold_out(self) -> HoldOut:
        """The search items that nobody is trained on."""
        extended = {task: splits["search"].extends for task, splits in self.items.items()}
        return hold_out_of(self.spec, {t: counts for t, counts in extended.items() if counts})

    @property
    def race(self) -> Race | None:
        """How children are raced; None where all are asked everything."""
        return race_of(self.spec, self.hold_out)

    @property
    def engine(self) -> Literal["transformers", "vllm"]:
        """The engine that evaluates."""
        return self.run.engine

    @property
    def base(self) -> SourceRecord:
        """The base checkpoint."""
        return self.run.base


class History:
    """The revisions of one run, read from the store once each.

    Args:
        objects: the run's store.
    """

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._revisions: list[Revision] = []

    def refresh(self) -> Sequence[Revision]:
        """Learn of changes that were accepted since; all revisions, oldest first.

        Raises:
            InputError: no run is stored here.
        """
        if not self._revisions:
            run = self._read_run()
            known = [Revision.first(run)]
            for number, step in enumerate(run.revisions):
                known = _followed(known, step, f"{keys.RUN}: revisions.{number}")
            self._revisions = known
        begun = len(self._revisions[0].run.revisions)
        count = begun + len(keys.revision_numbers(self._objects.children(keys.REVISIONS)))
        for number in range(len(self._revisions), count + 1):
            key = keys.revision(number)
            document = RevisionDocument.from_bytes(self._objects.read(key), key)
            self._revisions = _followed(self._revisions, document, key)
        return self._revisions

    def latest(self) -> Revision:
        """The last accepted revision, as of the last `refresh`.

        Raises:
            InputError: no run is stored here.
        """
        return (self._revisions or self.refresh())[-1]

    def as_of(self, generation: int) -> Revision:
        """The revision that holds for a generation, as of the last `refresh`.

        Args:
            generation: from 0; -1, before anything is committed, asks for the run as it begins.

        Raises:
            InputError: no run is stored here.
        """
        known = self._revisions or self.refresh()
        return next(r for r in reversed(known) if r.from_generation <= max(0, generation))

    def _read_run(self) -> RunDocument:
        try:
            data = self._objects.read(keys.RUN)
        except ObjectNotFound as error:
            raise InputError(
                f"{self._objects.uri}: holds no run ({keys.RUN} is missing); name the folder "
                "or prefix that was given to `cycleqd run --store`"
            ) from error
        run = RunDocument.from_bytes(data, keys.RUN)
        consistency.check_run(run)
        return run


def _followed(known: list[Revision], document: RevisionDocument, key: str) -> list[Revision]:
    """All revisions with the next one, which may let more candidates fail from now on."""
    consistency.check_revision(known[-1].manifest, known[-1].items, document, key)
    after = known[-1].followed_by(document)
    return [*(replace(r, max_failed=max(r.max_failed, after.max_failed)) for r in known), after]


def parse_stored_manifest(document: dict[str, object]) -> Manifest:
    """The manifest of ``run.json`` or a revision."""
    return Manifest.model_validate(document, strict=False)
