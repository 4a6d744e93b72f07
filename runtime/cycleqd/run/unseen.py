"""Held-out items stay unseen: nobody searches on what a task, this one or another, holds out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from cycleqd.errors import DatasetError
from cycleqd.records.documents import Split
from cycleqd.run.prompts import SplitItems
from cycleqd.run.refusals import Refusals

Prompts = Mapping[str, Collection[str]]
"""By task."""


def check_unseen(number: int, search: set[str], test: set[str]) -> None:
    """Compare the prompts of task ``number`` in both splits.

    Raises:
        DatasetError: they share some.
    """
    if shared := search & test:
        raise DatasetError(
            f"spec.tasks[{number}].items: search and test share {len(shared)} prompts, for "
            f"example {min(shared)[:80]!r}; the held-out items must be unseen: remove them from "
            "one of the two"
        )


def check_between_tasks(
    new: Sequence[SplitItems], had: Mapping[Split, Prompts], refusals: Refusals
) -> None:
    """Compare the prompts of items that come to a run with those of other tasks.

    Args:
        new: the items that come.
        had: what the tasks of the run search on, and have searched on before, and what they hold
            out besides.
        refusals: takes what is shared.
    """
    prompts = {(items.name, items.split): {*items.prompts} for items in new}
    for items in new:
        other: Split = "test" if items.split == "search" else "search"
        others = {**had[other]}
        if items.split == "search":  # otherwise it is told where those are looked at
            others |= {name: found for (name, split), found in prompts.items() if split == other}
        with refusals.of(items.field):
            lines = [*_shared(items, prompts[items.name, items.split], others)]
            if lines:
                raise DatasetError("\n".join(lines))


def _shared(items: SplitItems, own: set[str], others: Prompts) -> Iterator[str]:
    for name, prompts in others.items():
        if name != items.name and (shared := own.intersection(prompts)):
            what = (
                f"{len(shared)} of these items are held out by task {name}"
                if items.split == "search"
                else f"task {name} has searched on {len(shared)} of these items"
            )
            yield (
                f"{what}, for example {min(shared)[:80]!r}; held-out items must be unseen by all "
                "tasks: take other ones"
            )
