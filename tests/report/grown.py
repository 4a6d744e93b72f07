"""Made-up lives of runs that grow; ``python -m tests.report.sample FOLDER`` shows them too."""

from __future__ import annotations

import dataclasses
import random

from cycleqd.evolution.memory import Answered, memory
from cycleqd.records.final_table import LossRecord, PublicationRecord
from cycleqd.report.data import ReportData
from cycleqd.run.timeline import Cost, Step, Timeline

ITEMS = 100


def life(names: tuple[str, ...], first: int, apart: int = 3) -> Timeline:
    """A life in which experts and tasks join one by one, and one model is held back.

    Args:
        names: of all tasks.
        first: how many are there from the beginning.
        apart: generations between two joinings.
    """
    chance = random.Random(0)

    def solved(task: str, share: float) -> Answered:
        marks = "".join("01"[chance.random() < share] for _ in range(ITEMS))
        return Answered(marks, f"items of {task}")

    joins = [1 + apart * (number + 1) for number in range(len(names) - first)]
    steps = []
    for number, generation in enumerate([*(g - 1 for g in joins), (len(joins) + 1) * apart + 2]):
        there = names[: first + number]
        losses = {task: LossRecord(mean=0.01, error=0.005) for task in there}
        steps.append(
            Step(
                generation=generation,
                revision=number,
                archive={task: solved(task, 0.8) for task in there},
                published={task: solved(task, 0.6) for task in there},
                candidate="aggregate-000003",
                record=PublicationRecord(
                    candidate="aggregate-000003",
                    held=f"aggregate-{generation:06d}" if number == 1 else None,
                    losses=losses if number == 1 else {},
                ),
            )
        )
    base = {task: solved(task, 0.1) for task in names}
    experts = {task: solved(task, 0.9) for task in names}
    earlier = {task: solved(task, 0.2) for task in names[first:]}
    return Timeline(
        tasks=names,
        steps=tuple(steps),
        costs=tuple(
            Cost(generation, (name,), (name,), (), (), 30 + generation, 6, 12.5 * generation)
            for generation, name in zip(joins, names[first:], strict=True)
        ),
        archive=memory([step.archive for step in steps], earlier, base, experts),
        published=memory([step.published for step in steps], earlier, base, experts),
    )


def with_life(data: ReportData, first: int) -> ReportData:
    """A report of a run that began with so many of its tasks."""
    return dataclasses.replace(data, life=life(data.tasks, first))
