"""A manifest that continues a run: what may change is accepted as a revision, the rest is refused.

Where experts, tasks or other items of a task join, the revision tells of their checkpoints and
items, and from which generation on it holds: that of their step, or the second after the last that
is planned. The one between may be planned in part, by a coordinator that was killed, and its
candidates are then those of the older manifest. So it is where experts or tasks retire. Other
held-out items alone hold from the next generation that is committed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from cycleqd.errors import InputError
from cycleqd.evolution.joining import joining
from cycleqd.evolution.strategies import strategy_of
from cycleqd.manifest.changes import changes, check_continuation, concerns_pods_only
from cycleqd.manifest.curriculum import Arrival, arrivals, growing
from cycleqd.manifest.model import Expert, Manifest, Spec, Task
from cycleqd.manifest.schema import canonical
from cycleqd.records import keys
from cycleqd.records.documents import (
    RETIRING,
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


AdmitNewcomers = Callable[
    [Revision, Sequence[Arrival], Mapping[str, frozenset[Split]]], Sequence[Newcomers]
]
"""Looks at all who are to join the run as of a revision; says of each arrival what it brings. The
first also brings other items of the tasks that are named, with the splits that change.

Raises:
    InputError: somebody cannot join.
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
        items = other_items(current, manifest)
        if not items and all(concerns_pods_only(path) for path in edited):
            return
        known = current.manifest.spec
        check_none_retired(manifest.spec, len(known.experts), len(known.tasks))
        new = joining(current.spec, manifest.spec.without_retired())
        leaves = (*new.retired_experts, *new.retired)
        searched = any("search" in splits for splits in items.values())
        arrived = arrivals(manifest, known, changed=searched or bool(leaves))
        if arrived:
            comes = new.experts or new.tasks or items
            place = partial(
                _join_generations, run, current, arrived, _told(items), () if comes else leaves
            )
            place()
            found = admit_newcomers(current, arrived, items) if comes else [Newcomers()]
            # That may have taken a while, in which another process went on with the run.
            generations = place()
            documents = accepted(arrived, found, generations, retires=bool(leaves))
        elif items:
            alone = [Arrival(manifest)]
            _check_use(_first(run, current), manifest, items)
            found = admit_newcomers(current, alone, items)
            documents = accepted(alone, found, [_first(run, current)])
        else:
            first = _first(run, current)
            documents = [RevisionDocument(manifest=canonical(manifest), from_generation=first)]
        # Where another coordinator took a number first, its manifest is the one to continue.
        for number, document in enumerate(documents, len(revisions)):
            if not run.objects.create(keys.revision(number), document.to_bytes()):
                break


def check_none_retired(spec: Spec, experts: int = 0, tasks: int = 0) -> None:
    """See that nobody joins a run and is retired at once.

    Args:
        spec: what is asked for.
        experts: how many are not new.
        tasks: how many are not new.

    Raises:
        InputError: somebody does.
    """
    new: list[tuple[str, Expert | Task]] = [
        *(
            (f"spec.experts[{n}].retired", expert)
            for n, expert in enumerate(spec.experts)
            if n >= experts
        ),
        *((f"spec.tasks[{n}].retired", task) for n, task in enumerate(spec.tasks) if n >= tasks),
    ]
    for place, one in new:
        if one.retired:
            raise InputError(
                f"{place}: {one.name} has never been part of this run, so there is "
                "nothing to retire; remove it from the list"
            )


def _first(run: RunStore, current: Revision) -> int:
    """The generation from which a change holds that lets nobody join: never before others have."""
    return max(run.committed() + 1, current.from_generation)


def accepted(
    arrived: Sequence[Arrival],
    found: Sequence[Newcomers],
    generations: Sequence[int],
    *,
    retires: bool = False,
) -> list[RevisionDocument]:
    """The revisions of those who join, one for each arrival.

    Args:
        arrived: who comes.
        found: what they bring.
        generations: those that they join in.
        retires: whether somebody retires with the first.
    """
    brings = [revision_format(brought.experts, brought.items) for brought in found]
    formats = [RETIRING, *brings[1:]] if retires else brings
    return [
        RevisionDocument(
            format=form,
            manifest=canonical(arrival.manifest),
            from_generation=generation,
            experts=dict(brought.experts),
            items={task: dict(splits) for task, splits in brought.items.items()},
            layout=brought.layout,
            chat_templates=dict(brought.chat_templates),
        )
        for arrival, brought, generation, form in zip(
            arrived, found, generations, formats, strict=True
        )
    ]


def _join_generations(
    run: RunStore, current: Revision, arrived: Sequence[Arrival], told: str, leaves: Sequence[str]
) -> list[int]:
    """The generations that a change is spent in if it is accepted now.

    Args:
        run: the run's store.
        current: the run as it is.
        arrived: who comes.
        told: the tasks that get other items, for a message.
        leaves: who retires, where nobody comes.

    Raises:
        InputError: the search cannot take them in, or not then.
    """
    evolution = arrived[-1].manifest.spec.evolution
    if not strategy_of(evolution).grows:
        able = " and ".join(growing())
        raise InputError(
            f"spec.evolution.strategy: {evolution.strategy} cannot take in experts, tasks or "
            f"items in the middle of a search{told}, nor go on without some; {able} can. Begin a "
            "run of those that you want in another store"
        )
    planned = run.committed()
    while run.objects.exists(keys.generation(planned + 1).plan_key):
        planned += 1
    # After its last generation a run plans nothing, so nothing is planned in part. Nobody joins
    # before somebody who was accepted earlier, nor together: a generation has one layout.
    earliest = max(
        min(planned + 2, current.spec.evolution.generations + 1),
        max(current.joins, default=0) + 1,
    )
    generations: list[int] = []
    for arrival in arrived:
        if arrival.generation is not None and arrival.generation < earliest:
            raise InputError(
                f"spec.curriculum[{arrival.step}].generation: {arrival.generation} is too early, "
                f"by now generation {earliest} is the first that somebody can join in; write "
                f"{earliest} or more"
            )
        generations.append(arrival.generation or earliest)
        earliest = generations[-1] + 1
    if evolution.generations <= (last := generations[-1]):
        what = f"{' and '.join(leaves)} would retire" if leaves else f"what is new{told} joins"
        raise InputError(
            f"spec.evolution.generations: {what} in generation {last}, and the run ends after "
            f"{evolution.generations}; write {last + 1} or more"
        )
    return generations


def _check_use(first: int, manifest: Manifest, items: Mapping[str, frozenset[Split]]) -> None:
    """See that there is another final table to use held-out items for.

    Raises:
        InputError: there is not.
    """
    last = manifest.spec.evolution.generations
    if last < first:
        raise InputError(
            f"spec.evolution.generations: what is new{_told(items)} is used from generation "
            f"{first} on, and the run ends after {last}; write {first} or more"
        )


def _told(items: Mapping[str, frozenset[Split]]) -> str:
    """The tasks that get other items, in a message: files may have changed unnoticed."""
    named = [f"items.{s} of {task}" for task, splits in items.items() for s in sorted(splits)]
    return f" ({', '.join(named)})" if named else ""
