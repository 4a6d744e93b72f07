"""What is said of a run that has grown: who joined, what that cost, and what the run has kept.

``cycleqd history`` prints it, the page shows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from cycleqd.evolution.memory import Answered, Estimate, average_accuracy
from cycleqd.run.timeline import Cost, Step, Timeline

Line = Literal["archive", "published"]

LINES: Mapping[Line, str] = {"archive": "archives' best", "published": "published model"}
"""The two lines of models that are followed."""

MEASURES = {
    "acc": "average accuracy",
    "bwt": "backward transfer",
    "forgetting": "forgetting",
    "fwt": "forward transfer",
}
"""Measures of `cycleqd.evolution.memory.Memory` with an error."""


@dataclass(frozen=True)
class Value:
    """A number as text, and its standard error where it has one; empty where it is unknown."""

    text: str
    error: str = ""

    def __str__(self) -> str:
        return f"{self.text} {self.error}".strip()


_UNKNOWN = Value("\N{EN DASH}")


@dataclass(frozen=True)
class StepLine:
    """A final table: where it was made, accuracies by task, and their mean."""

    generation: int
    revision: int
    scores: tuple[str, ...]
    mean: Value


@dataclass(frozen=True)
class MeasureLine:
    """A measure, or a task, with its values for each line of models."""

    name: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class LifeLines:
    """The section of the page.

    Attributes:
        costs: who joined or retired, by the generation, and what that cost.
        measures: what was kept.
        by_task: forgetting and retention of each line by task; retention is a share of what the
            task's expert solves.
        steps: by title, the accuracies of each line.
        held: sentences about who was held back.
    """

    costs: tuple[tuple[str, Cost], ...]
    measures: tuple[MeasureLine, ...]
    by_task: tuple[MeasureLine, ...]
    steps: tuple[tuple[str, tuple[StepLine, ...]], ...]
    held: tuple[str, ...]


def life_lines(life: Timeline) -> LifeLines:
    """What the page shows of a run that has grown."""
    return LifeLines(
        costs=tuple((cost.told(), cost) for cost in life.costs),
        measures=measure_lines(life),
        by_task=tuple(_kept(life, task) for task in life.tasks) if len(life.steps) > 1 else (),
        steps=tuple((title, step_lines(life, line)) for line, title in LINES.items()),
        held=held_back(life),
    )


def answered(step: Step, line: Line) -> Mapping[str, Answered]:
    """What a line's models made of held-out items at a step, by task."""
    return step.archive if line == "archive" else step.published


def step_lines(life: Timeline, line: Line) -> tuple[StepLine, ...]:
    """Held-out accuracy of one line of models; empty texts where a task was not there yet."""
    return tuple(_step_line(life, step, remaining(life, step, line)) for step in life.steps)


def remaining(life: Timeline, step: Step, line: Line) -> Mapping[str, Answered]:
    """The same without the tasks that have retired since."""
    found = answered(step, line)
    return {task: found[task] for task in life.tasks if task in found}


def _step_line(life: Timeline, step: Step, found: Mapping[str, Answered]) -> StepLine:
    mean = average_accuracy(found)
    return StepLine(
        generation=step.generation,
        revision=step.revision,
        scores=tuple(f"{found[t].accuracy:.3f}" if t in found else "" for t in life.tasks),
        mean=_value(mean),
    )


def measure_lines(life: Timeline) -> tuple[MeasureLine, ...]:
    """The measures after the last step, none before the first; empty texts where unknown."""
    if not life.steps:
        return ()
    lines = (life.archive, life.published)
    return tuple(
        MeasureLine(title, tuple(_value(getattr(memory, name, None), name) for memory in lines))
        for name, title in MEASURES.items()
    )


def _value(found: Estimate | None, name: str = "acc") -> Value:
    """An estimate as text; with a sign where it is a difference."""
    if found is None:
        return Value("")
    sign = "" if name == "acc" else "+"
    return Value(f"{found.value:{sign}.3f}", f"± {found.error:.3f}")


def _kept(life: Timeline, task: str) -> MeasureLine:
    values: list[Value] = []
    for memory in (life.archive, life.published):
        forgotten = None if memory is None else memory.forgotten.get(task)
        retained = None if memory is None else memory.retention.get(task)
        values.append(_UNKNOWN if forgotten is None else _value(forgotten, "forgetting"))
        values.append(_UNKNOWN if retained is None else Value(f"{retained:.0%}"))
    return MeasureLine(task, tuple(values))


def held_back(life: Timeline) -> tuple[str, ...]:
    """Who was to be published and was not, and why, a sentence each."""
    return tuple(
        f"generation {step.generation}: {step.record.held} was held back, {step.candidate} stays "
        f"published; loss on search items: {_losses(life, step)}"
        for step in life.steps
        if step.record is not None and step.record.held is not None
    )


def _losses(life: Timeline, step: Step) -> str:
    losses = {} if step.record is None else step.record.losses
    known = [task for task in life.tasks if task in losses]
    said = (f"{task} {losses[task].mean:+.3f} ± {losses[task].error:.3f}" for task in known)
    return ", ".join(said) or "unknown"
