"""A manifest that continues a run: what may change is accepted as a revision, the rest is refused.

Where experts, tasks or other items of a task join, the revision tells of their checkpoints and
items, and from which generation on it holds: the second after the last that is planned. The one
between may be planned in part, by a coordinator that was killed, and its candidates are then those
of the older manifest. Other held-out items alone hold from the next generation that is committed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cycleqd.errors import InputError
from cycleqd.evolution.joining import Joining, joining
from cycleqd.evolution.strategies import growing, strategy_of
from cycleqd.manifest.changes import changes, check_continuation, concerns_pods_only
from cycleqd.manifest.model import Manifest
from cycleqd.manifest.schema import canonical
from cycleqd.records import keys
from cycleqd.records.documents import (
    ItemsRecord,
    RevisionDocument,
    SourceRecord,
    Split,
    revision_format,
)
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


OtherItems = Callable[[Revision, Manifest], Mapping[str, frozenset[Split]]]
"""Tells which tasks of a run are to get other items, by name the splits that change.

Raises:
    InputError: they cannot be used.
"""


def continue_run(
    run: RunStore, manifest: Manifest, admit_newcomers: AdmitNewcomers, other_items: OtherItems
) -> None:
    """Accept what may change, refuse the rest.

    Args:
        run: the run's store.
        manifest: what is asked for now.
        admit_newcomers: looks at what joins, before anything is accepted.
        other_items: looks at the items of the tasks that the run has.

    Raises:
        RunMismatch: the manifest describes another run than the stored one.
        InputError: what it adds cannot join.
    """
    while True:
        revisions = run.history.refresh()
        current = revisions[-1]
        check_continuation(current.manifest, manifest)
        edited = changes(current.manifest, manifest)
        new = replace(joining(current.spec, manifest.spec), items=other_items(current, manifest))
        if not new.items and all(concerns_pods_only(path) for path in edited):
            return
        # Never before somebody who was accepted earlier has joined.
        first = max(run.committed() + 1, current.from_generation)
        if new.experts or new.tasks or any("search" in splits for splits in new.items.values()):
            _check_growth(run, current, manifest, new)
            first = joins_in(run, current)
        elif new.items:
            _check_use(first, manifest, new)
        newcomers = Newcomers()
        if new.experts or new.tasks or new.items:
            newcomers = admit_newcomers(current, manifest, new)
        document = _revision(first, manifest, newcomers)
        # Where another coordinator took the number first, its manifest is the one to continue.
        run.objects.create(keys.revision(len(revisions)), document.to_bytes())


def _revision(first: int, manifest: Manifest, newcomers: Newcomers) -> RevisionDocument:
    return RevisionDocument(
        format=revision_format(newcomers.experts, newcomers.items),
        manifest=canonical(manifest),
        from_generation=first,
        experts=dict(newcomers.experts),
        items={task: dict(splits) for task, splits in newcomers.items.items()},
        layout=newcomers.layout,
        chat_templates=dict(newcomers.chat_templates),
    )


def joins_in(run: RunStore, current: Revision) -> int:
    """The generation that experts, tasks and items join in if they are accepted now."""
    planned = run.committed()
    while run.objects.exists(keys.generation(planned + 1).plan_key):
        planned += 1
    # After its last generation a run plans nothing, so nothing is planned in part.
    return min(planned + 2, current.spec.evolution.generations + 1)


def _check_growth(run: RunStore, current: Revision, manifest: Manifest, new: Joining) -> None:
    """See that the search goes on after somebody has joined, and can.

    Raises:
        InputError: it does not.
    """
    evolution = manifest.spec.evolution
    if not strategy_of(evolution).grows:
        able = " and ".join(growing())
        raise InputError(
            f"spec.evolution.strategy: {evolution.strategy} cannot take in experts, tasks or "
            f"items in the middle of a search{_told(new)}; {able} can. Begin a run of all of them "
            "in another store"
        )
    first = joins_in(run, current)
    if evolution.generations <= first:
        raise InputError(
            f"spec.evolution.generations: what is new{_told(new)} joins in generation {first}, and "
            f"the run ends after {evolution.generations}; write {first + 1} or more"
        )


def _check_use(first: int, manifest: Manifest, new: Joining) -> None:
    """See that there is another final table to use held-out items for.

    Raises:
        InputError: there is not.
    """
    last = manifest.spec.evolution.generations
    if last < first:
        raise InputError(
            f"spec.evolution.generations: what is new{_told(new)} is used from generation {first} "
            f"on, and the run ends after {last}; write {first} or more"
        )


def _told(new: Joining) -> str:
    """The tasks that get other items, in a message: files may have changed unnoticed."""
    named = [f"items.{s} of {task}" for task, splits in new.items.items() for s in sorted(splits)]
    return f" ({', '.join(named)})" if named else ""
