"""The life of a run as its store tells it: who joined, what it cost, what was kept.

Every final table is a step: the one before anybody joins, and the one at the run's end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cycleqd.evolution.final import recommended
from cycleqd.evolution.joining import joining
from cycleqd.evolution.memory import Answered, Memory, memory
from cycleqd.records import keys
from cycleqd.records.documents import FactorEntry
from cycleqd.records.final_table import PublicationRecord, SummaryDocument
from cycleqd.run.revision import Revision
from cycleqd.run.revisiting import Joined, joined
from cycleqd.run.store import RunStore


@dataclass(frozen=True)
class Cost(Joined):
    """What a generation took that somebody joined in.

    Attributes:
        retired: names of experts and tasks that retired.
        revisited: members and experts that were evaluated on new tasks and items.
        introduced: new experts, and members with a part of one.
        seconds: of workers, factoring included.
    """

    retired: tuple[str, ...]
    revisited: int
    introduced: int
    seconds: float

    def told(self) -> str:
        """What happened, in a few words."""
        names = self.said()
        happened = [
            *([f"{names} joined"] if names else []),
            *([f"{', '.join(self.retired)} retired"] if self.retired else []),
        ]
        return "; ".join(happened)


@dataclass(frozen=True)
class Step:
    """One final table.

    Attributes:
        generation: the committed generation that it is made of.
        revision: the one in force there.
        archive: by task what the best member of its archive, chosen on search items, makes of the
            held-out ones.
        published: by task what the published model makes of them; the recommended one, where the
            run has no ``spec.publication``. Empty where there is none.
        candidate: that model's id, empty where there is none.
        record: the gate's decision, None without a gate.
    """

    generation: int
    revision: int
    archive: Mapping[str, Answered]
    published: Mapping[str, Answered]
    candidate: str
    record: PublicationRecord | None


@dataclass(frozen=True)
class Timeline:
    """A run's life.

    Attributes:
        tasks: those of the last step, in the manifest's order; of the run without a step.
        steps: in their order.
        costs: of all that joined, in their order.
        archive: measures of the archives' best, None before the first step.
        published: measures of the published models; None where the last step has none.
    """

    tasks: tuple[str, ...]
    steps: tuple[Step, ...]
    costs: tuple[Cost, ...]
    archive: Memory | None
    published: Memory | None


def timeline(run: RunStore) -> Timeline:
    """Read a run's life from its store.

    Raises:
        StoreError: the store failed.
    """
    revisions = run.history.refresh()
    tables = [table for number in _finals(run) if (table := run.summary(number)) is not None]
    costs = tuple(_costs(run))
    if not tables:
        return Timeline(revisions[-1].tasks, (), costs, None, None)
    asked = [held_out_answers(run, table.generations) for table in tables]
    steps = [_step(run, *pair) for pair in zip(tables, asked, strict=True)]
    last = run.history.as_of(tables[-1].generations)
    base = _of(keys.BASE_CANDIDATE, asked[-1])
    experts = _experts(run, last, asked[-1])
    earlier: dict[str, dict[str, Answered]] = {"archive": {}, "published": {}}
    for before, step, table, found in zip(tables, steps, tables[1:], asked[1:], strict=False):
        new = {task for row in table.rows for task in row.test} - {*before.rows[0].test}
        balanced = next((row.candidate for row in before.rows if row.kind == "balanced"), "")
        for line, candidate in (("archive", balanced), ("published", step.candidate)):
            known = _of(candidate, found)
            earlier[line] |= {task: known[task] for task in new if task in known}
    return Timeline(
        tasks=last.tasks,
        steps=tuple(steps),
        costs=costs,
        archive=memory([step.archive for step in steps], earlier["archive"], base, experts),
        published=memory([s.published for s in steps], earlier["published"], base, experts)
        if steps[-1].published
        else None,
    )


Outcomes = Mapping[tuple[str, str], Answered]
"""By candidate and task."""


def _finals(run: RunStore) -> list[int]:
    numbers = (keys.number(name) for name in run.objects.children(keys.FINALS))
    return sorted(number for number in numbers if number is not None)


def held_out_answers(run: RunStore, generation: int) -> Outcomes:
    """What everybody made of held-out items for the final table of a generation.

    Raises:
        StoreError: the store failed.
    """
    items = run.history.as_of(generation).items
    return {
        (entry.candidate, task): Answered(marks, items[task]["test"].digest)
        for entry, result in run.evaluated(keys.final(generation))
        if entry.split == "test"
        for task, marks in result.outcomes.items()
    }


def _of(candidate: str, asked: Outcomes) -> dict[str, Answered]:
    return {task: found for (who, task), found in asked.items() if who == candidate}


def _step(run: RunStore, table: SummaryDocument, asked: Outcomes) -> Step:
    revision = run.history.as_of(table.generations)
    best = recommended(table)
    members = {row.name: row.candidate for row in table.rows if row.kind == "best-of-task"}
    tops = {task: members.get(f"best of {task}", "") for task in revision.tasks}
    return Step(
        generation=table.generations,
        revision=revision.number,
        archive={t: asked[who, t] for t, who in tops.items() if (who, t) in asked},
        published={} if best is None else _of(best.candidate, asked),
        candidate="" if best is None else best.candidate,
        record=table.published,
    )


def _experts(run: RunStore, revision: Revision, asked: Outcomes) -> dict[str, Answered]:
    chosen = run.committed_archive(run.committed()).focus_experts
    who = {task: keys.expert(chosen[task]) for task in revision.tasks if task in chosen}
    return {t: asked[expert, t] for t, expert in who.items() if (expert, t) in asked}


def _costs(run: RunStore) -> Iterator[Cost]:
    for generation in run.history.latest().joins:
        before, revision = (run.history.as_of(number) for number in (generation - 1, generation))
        stage = keys.generation(generation)
        plan = run.plan(stage)
        if plan is None:
            continue
        finished = run.finished_entries(stage)
        entries = [entry for index, entry in enumerate(plan.entries) if index in finished]
        again = [not isinstance(entry, FactorEntry) and bool(entry.revisit) for entry in entries]
        evaluated = [entry for entry in entries if not isinstance(entry, FactorEntry)]
        who, new = joined(before, revision), joining(before.spec, revision.spec)
        yield Cost(
            generation=generation,
            experts=who.experts,
            tasks=who.tasks,
            items=who.items,
            retired=(*new.retired_experts, *new.retired),
            revisited=sum(again),
            introduced=len(evaluated) - sum(again),
            seconds=sum(run.result(stage, index).telemetry.seconds for index in finished),
        )
