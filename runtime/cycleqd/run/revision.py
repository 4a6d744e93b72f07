"""A run as of a generation: everything that a plan, a commit or an evaluation depends on.

What was accepted when the run began (``run.json``) and every accepted change (``revisions/``) stand
in the store for ever. Whoever plans, commits, evaluates or verifies a generation asks `History` for
the revision that holds there, and keeps nothing of it by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from cycleqd.errors import InputError, ObjectNotFound
from cycleqd.evolution.genome import GenomeLayout
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
        from_generation: the first generation that it holds for.
        run: what was accepted when the run began.
        manifest: the manifest in force.
    """

    number: int
    from_generation: int
    run: RunDocument
    manifest: Manifest

    @property
    def spec(self) -> Spec:
        """What to run."""
        return self.manifest.spec

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks in the manifest's order."""
        return tuple(task.name for task in self.spec.tasks)

    @cached_property
    def layout(self) -> GenomeLayout:
        """What the axes of genomes mean."""
        return GenomeLayout.from_json(self.run.layout)

    @property
    def engine(self) -> Literal["transformers", "vllm"]:
        """The engine that evaluates."""
        return self.run.engine

    @property
    def base(self) -> SourceRecord:
        """The base checkpoint."""
        return self.run.base

    @property
    def experts(self) -> dict[str, SourceRecord]:
        """Expert checkpoints by name."""
        return self.run.experts

    @property
    def items(self) -> dict[str, dict[Split, ItemsRecord]]:
        """Items by task and split."""
        return self.run.items


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
            self._revisions.append(Revision(0, 0, run, parse_stored_manifest(run.manifest)))
        run = self._revisions[0].run
        names = self._objects.children(keys.REVISIONS)
        count = len(keys.revision_numbers(names))
        for number in range(len(self._revisions), count + 1):
            key = keys.revision(number)
            document = RevisionDocument.from_bytes(self._objects.read(key), key)
            consistency.check_revision(run, document, key)
            manifest = parse_stored_manifest(document.manifest)
            self._revisions.append(Revision(number, document.from_generation, run, manifest))
        return self._revisions

    def latest(self) -> Revision:
        """The revision in force, as of the last `refresh`.

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


def parse_stored_manifest(document: dict[str, object]) -> Manifest:
    """The manifest of ``run.json`` or a revision."""
    return Manifest.model_validate(document, strict=False)
