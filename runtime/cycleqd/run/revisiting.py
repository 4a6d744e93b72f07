"""What it takes that somebody joins: who is evaluated on what, and how far that is."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from cycleqd.evolution.joining import joining
from cycleqd.records import keys
from cycleqd.records.documents import EvaluateEntry, PlanDocument
from cycleqd.run.revision import Revision
from cycleqd.run.store import RunStore


@dataclass(frozen=True)
class Joined:
    """Who joins a run.

    Attributes:
        generation: the one that is spent on it.
        experts: who joins.
        tasks: which tasks join.
        items: tasks that were there and get other search items.
    """

    generation: int
    experts: tuple[str, ...]
    tasks: tuple[str, ...]
    items: tuple[str, ...]

    def said(self) -> str:
        """All of them in a few words."""
        names = [
            *(f"expert {name}" for name in self.experts),
            *(f"task {name}" for name in self.tasks),
            *(f"items of {name}" for name in self.items),
        ]
        return ", ".join(names)


@dataclass(frozen=True)
class Revisiting(Joined):
    """A generation that somebody joins in, while it is under way.

    Attributes:
        revision: the one that takes effect with it.
        members: members and experts to evaluate on what is new.
        newcomers: new experts, and members with a part of one, to evaluate on everything.
        answers: items that all of them are asked.
        done: how many of these evaluations have a result.
    """

    revision: int
    members: int
    newcomers: int
    answers: int
    done: int

    @property
    def of(self) -> int:
        """All evaluations."""
        return self.members + self.newcomers


def joined(before: Revision, revision: Revision) -> Joined:
    """Who joins with a revision.

    Args:
        before: the run until then.
        revision: the run from then on.
    """
    new = joining(before.spec, revision.spec)
    return Joined(
        revision.from_generation, new.experts, new.tasks, tuple(revision.first_items(before))
    )


def revisiting(
    before: Revision, revision: Revision, plan: PlanDocument, finished: Collection[int]
) -> Revisiting | None:
    """How far a generation is that somebody joins in; None where nobody is to be evaluated.

    Args:
        before: the run until then.
        revision: the run from then on.
        plan: of the generation.
        finished: indices of the entries that have a result.
    """
    evaluations = {i: e for i, e in enumerate(plan.entries) if isinstance(e, EvaluateEntry)}
    if not evaluations:
        return None
    members = sum(entry.revisit > 0 for entry in evaluations.values())
    who = joined(before, revision)
    return Revisiting(
        generation=who.generation,
        experts=who.experts,
        tasks=who.tasks,
        items=who.items,
        revision=revision.number,
        members=members,
        newcomers=len(evaluations) - members,
        answers=sum(
            revision.items[task]["search"].count - entry.first_items.get(task, 0)
            for entry in evaluations.values()
            for task in entry.tasks
        ),
        done=sum(index in finished for index in evaluations),
    )


def revisiting_now(run: RunStore, committed: int) -> Revisiting | None:
    """The same of the generation under way; None where nobody joins in it, or before its plan.

    Args:
        run: the run's store.
        committed: the highest committed generation.

    Raises:
        StoreError: the store failed.
    """
    number = committed + 1
    revision = run.history.as_of(number)
    stage = keys.generation(number)
    plan = run.plan(stage) if number in revision.joins else None
    if plan is None:
        return None
    before = run.history.as_of(committed)
    return revisiting(before, revision, plan, run.finished_entries(stage))
