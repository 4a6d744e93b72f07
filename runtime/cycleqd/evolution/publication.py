"""What a final table owes to the one before it: the gate of publication, and memory.

A run has a final table at its end and before anybody joins it, and each names a model to take. With
``spec.publication`` that model takes the place of the one before only if it is not clearly worse in
any task: on the same search items (those that nobody was trained on, where some are kept out) its
loss, less its standard error, is at most the tolerance. Search items decide, so the held-out ones
tell afterwards, without a bias, what the gate was worth.

Where tasks have joined since the table before, its models are asked their held-out items too: what
a run could do before it learned a task is the forward transfer (`cycleqd.evolution.memory`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cycleqd.evolution.final import Finalist, balanced_member, recommended
from cycleqd.evolution.hold_out import HoldOut
from cycleqd.evolution.metrics import mean_and_error
from cycleqd.evolution.search import Commit
from cycleqd.manifest.model import Spec
from cycleqd.records.documents import ResultDocument, Split
from cycleqd.records.final_table import LossRecord, PublicationRecord, SummaryDocument


@dataclass(frozen=True)
class TableEntry:
    """A model that is asked items of some tasks for a final table.

    Attributes:
        candidate: its id.
        split: which items.
        tasks: of which tasks, in the manifest's order.
    """

    candidate: str
    split: Split
    tasks: tuple[str, ...]


def predecessor(before: SummaryDocument | None) -> str | None:
    """The model that the run stood for until now; None where there was none."""
    row = None if before is None else recommended(before)
    return None if row is None else row.candidate


def entries_for(spec: Spec, commit: Commit, before: SummaryDocument | None) -> list[TableEntry]:
    """Who is asked what, beside the rows of the final table themselves.

    Args:
        spec: the run as of that table.
        commit: the generation that it is made of.
        before: the last table of an earlier generation, None where there is none.
    """
    if before is None:
        return []
    tasks = tuple(task.name for task in spec.tasks)
    found: list[TableEntry] = []
    old = predecessor(before)
    if spec.publication is not None and old is not None:
        found += [TableEntry(old, "test", tasks), TableEntry(old, "search", tasks)]
        found.append(TableEntry(balanced_member(commit).candidate, "search", tasks))
    known = {task for row in before.rows for task in row.test}
    new = tuple(task for task in tasks if task not in known)
    if new:
        balanced = [row.candidate for row in before.rows if row.kind == "balanced"]
        models = dict.fromkeys([*balanced, *([] if old is None else [old])])
        found += [TableEntry(candidate, "test", new) for candidate in models]
    return found


def published_before(
    spec: Spec,
    before: SummaryDocument | None,
    search: Mapping[str, ResultDocument],
    test: Mapping[str, ResultDocument],
    hold_out: HoldOut,
) -> list[Finalist]:
    """The row of the model that the run stood for, where the gate compares with it.

    Args:
        spec: the run.
        before: the table before.
        search: results of its table on the search items, by candidate id.
        test: the same on the held-out items.
        hold_out: the search items that nobody is trained on.
    """
    old = predecessor(before)
    if spec.publication is None or old is None or old not in test:
        return []
    result = search[old]
    unseen = hold_out.scores(result.outcomes)
    return [Finalist("published before", "published", old, result.scores, unseen)]


def publication(
    spec: Spec,
    before: SummaryDocument | None,
    table: SummaryDocument,
    search: Mapping[str, ResultDocument],
    hold_out: HoldOut,
) -> PublicationRecord | None:
    """Which model the run stands for from now on.

    Args:
        spec: the run.
        before: the table before, None where this is the first.
        table: the final table, without a publication.
        search: results on the search items, by candidate id.
        hold_out: the search items that nobody is trained on.

    Returns:
        None without ``spec.publication``, or where no model could be evaluated at all.
    """
    if spec.publication is None:
        return None
    old, best = predecessor(before), recommended(table)
    if best is None:
        return None if old is None else PublicationRecord(candidate=old)
    new = best.candidate
    if old is None or old == new or _failed(search.get(old)):
        return PublicationRecord(candidate=new)
    if _failed(search.get(new)):
        return PublicationRecord(candidate=old, held=new)
    lost = losses(hold_out.compared(search[old].outcomes), hold_out.compared(search[new].outcomes))
    held = holds_back(lost.values(), spec.publication.tolerance)
    return PublicationRecord(
        candidate=old if held else new,
        held=new if held else None,
        losses=lost,
    )


def _failed(result: ResultDocument | None) -> bool:
    return result is None or result.failure is not None


def losses(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, LossRecord]:
    """What a model loses that takes another's place, by task.

    Args:
        before: outcomes of the other by task, one character an item, ``1`` where it is solved.
        after: its own, of the same items.
    """
    found = {}
    for task, marks in before.items():
        pairs = zip(marks, after[task], strict=True)
        mean, error = mean_and_error([[float(a == "1") - float(b == "1") for a, b in pairs]])
        found[task] = LossRecord(mean=mean, error=error)
    return found


def holds_back(found: Iterable[LossRecord], tolerance: float) -> bool:
    """Whether any task loses more than is tolerated, beyond what the draw of the items explains."""
    return any(loss.mean - loss.error > tolerance for loss in found)
