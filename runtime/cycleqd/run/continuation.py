"""A manifest that continues a run: what may change is accepted as a revision, the rest is refused.

Where experts or tasks join, the revision tells of their checkpoints and items, and from which
generation on it holds: the second after the last that is planned. The one between may be planned in
part, by a coordinator that was killed, and its candidates are then those of the older manifest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cycleqd.errors import InputError
from cycleqd.evolution.joining import Joining, joining
from cycleqd.evolution.strategies import growing, strategy_of
from cycleqd.manifest.changes import changes, check_continuation, concerns_pods_only
from cycleqd.manifest.model import Manifest
from cycleqd.manifest.schema import canonical
from cycleqd.records import keys
from cycleqd.records.documents import ItemsRecord, RevisionDocument, SourceRecord, Split
from cycleqd.run.revision import Revision
from cycleqd.run.store import RunStore


@dataclass(frozen=True)
class Newcomers:
    """What joins, compared with the run and copied into its store.

    Attributes:
        experts: checkpoints by name.
        items: by task and split.
        layout: of genomes from now on (`GenomeLayout.to_json`); None where no expert joins.
        chat_templates: SHA-256 of those that new tasks take from experts, by expert.
    """

    experts: Mapping[str, SourceRecord] = field(default_factory=dict)
    items: Mapping[str, Mapping[Split, ItemsRecord]] = field(default_factory=dict)
    layout: dict[str, Any] | None = None
    chat_templates: Mapping[str, str] = field(default_factory=dict)


AdmitNewcomers = Callable[[Revision, Manifest, Joining], Newcomers]
"""Looks at what a manifest adds to the run as of a revision.

Raises:
    InputError: it cannot join.
"""


def continue_run(run: RunStore, manifest: Manifest, admit_newcomers: AdmitNewcomers) -> None:
    """Accept what may change, refuse the rest.

    Args:
        run: the run's store.
        manifest: what is asked for now.
        admit_newcomers: looks at what joins, before anything is accepted.

    Raises:
        RunMismatch: the manifest describes another run than the stored one.
        InputError: what it adds cannot join.
    """
    while True:
        revisions = run.history.refresh()
        current = revisions[-1]
        check_continuation(current.manifest, manifest)
        if all(concerns_pods_only(path) for path in changes(current.manifest, manifest)):
            return
        new = joining(current.spec, manifest.spec)
        if new.experts or new.tasks:
            _join_generation(run, current, manifest)
            found = admit_newcomers(current, manifest, new)
            # That may have taken a while, in which another process went on with the run.
            first = _join_generation(run, current, manifest)
            document = _revision(manifest, found, first)
        else:
            # Never before somebody who was accepted earlier has joined.
            first = max(run.committed() + 1, current.from_generation)
            document = RevisionDocument(manifest=canonical(manifest), from_generation=first)
        # Where another coordinator took the number first, its manifest is the one to continue.
        run.objects.create(keys.revision(len(revisions)), document.to_bytes())


def _revision(manifest: Manifest, newcomers: Newcomers, first: int) -> RevisionDocument:
    return RevisionDocument(
        format="cycleqd-revision/2",
        manifest=canonical(manifest),
        from_generation=first,
        experts=dict(newcomers.experts),
        items={task: dict(splits) for task, splits in newcomers.items.items()},
        layout=newcomers.layout,
        chat_templates=dict(newcomers.chat_templates),
    )


def _join_generation(run: RunStore, current: Revision, manifest: Manifest) -> int:
    """The generation that experts and tasks join in if they are accepted now.

    Raises:
        InputError: the search cannot take them in, or does not go on after that generation.
    """
    evolution = manifest.spec.evolution
    if not strategy_of(evolution).grows:
        able = " and ".join(growing())
        raise InputError(
            f"spec.evolution.strategy: {evolution.strategy} cannot take in experts or tasks in the "
            f"middle of a search; {able} can. Begin a run of all of them in another store"
        )
    planned = run.committed()
    while run.objects.exists(keys.generation(planned + 1).plan_key):
        planned += 1
    # After its last generation a run plans nothing, so nothing is planned in part. Nobody joins
    # before somebody who was accepted earlier.
    first = max(
        min(planned + 2, current.spec.evolution.generations + 1),
        max(current.joins, default=0),
    )
    if evolution.generations <= first:
        raise InputError(
            f"spec.evolution.generations: what is new joins in generation {first}, and the run "
            f"ends after {evolution.generations}; write {first + 1} or more"
        )
    return first
