"""A model's results: all tasks' prompts as one batch through the engine, then the verdicts.

A broken candidate needs no special case. Weights that give infinities generate text like any other;
it solves nothing, and scores 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cycleqd.evaluation.engine import Engine
from cycleqd.evaluation.task import Task
from cycleqd.records.documents import NOT_ASKED
from cycleqd.tracing.attributes import GENERATE, of_outcome
from cycleqd.tracing.spans import NO_SPANS, Spans


@dataclass(frozen=True)
class Outcomes:
    """What a model did on one task.

    Attributes:
        solved: one character for each item in the dataset's order, ``1`` solved, ``0`` not, ``-``
            not asked.
        answers: completions that solved their item and may be learned from, by the item's id.
    """

    solved: str
    answers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what is no outcome.

        Raises:
            ValueError: another character, or no item was asked.
        """
        marks = set(self.solved)
        if not marks & {"0", "1"} or marks - {"0", "1", NOT_ASKED}:
            raise ValueError(
                f"outcomes must be a text of 0 and 1 (and {NOT_ASKED}), not {self.solved!r}"
            )

    @property
    def score(self) -> float:
        """The fraction of items that are solved, of those that were asked, in [0, 1]."""
        right = self.solved.count("1")
        return right / (right + self.solved.count("0"))


def evaluate(engine: Engine, tasks: Sequence[Task], spans: Spans = NO_SPANS) -> dict[str, Outcomes]:
    """Measure the weights that the engine holds.

    Args:
        engine: holds the model.
        tasks: what to measure, names all different.
        spans: take the time of the one batch, and of each task's verdicts.

    Returns:
        Outcomes by task name, in the tasks' order.

    Raises:
        ValueError: two tasks have one name.
        EngineError: the engine failed.
        SandboxUnavailable: generated code cannot be contained on this machine.
    """
    names = [task.name for task in tasks]
    if len(set(names)) != len(names):
        raise ValueError(f"tasks must have different names, not {names}")
    batches = [task.requests() for task in tasks]
    requests = [request for batch in batches for request in batch]
    with spans.span(GENERATE, {"cycleqd.items": len(requests)}):
        completions = engine.generate(requests)
    outcomes: dict[str, Outcomes] = {}
    start = 0
    for task, batch in zip(tasks, batches, strict=True):
        own = completions[start : start + len(batch)]
        with spans.span(f"evaluate {task.name}", {}) as span:
            verdicts = task.grade(own)
            solved = "".join("1" if verdict else "0" for verdict in verdicts)
            span.tell(of_outcome(task.name, solved))
        start += len(batch)
        outcomes[task.name] = Outcomes(solved, task.lessons(own, verdicts))
    return outcomes


def evaluate_raced(
    engine: Engine,
    tasks: Sequence[Task],
    first: Mapping[str, Sequence[int]],
    is_lost: Callable[[Mapping[str, str]], bool],
    spans: Spans = NO_SPANS,
) -> tuple[dict[str, Outcomes], bool]:
    """Measure on some items first, and on the others where that is worth it.

    Args:
        engine: holds the model.
        tasks: what to measure, names all different.
        first: by task the places of the items that are asked first.
        is_lost: whether these outcomes, by task, are bad enough to stop.
        spans: take the time, as in `evaluate`.

    Returns:
        Outcomes by task name, in the tasks' order, and whether it was stopped.

    Raises:
        EngineError: the engine failed.
        SandboxUnavailable: generated code cannot be contained on this machine.
    """
    early = evaluate(engine, [task.part(first[task.name]) for task in tasks], spans)
    stopped = is_lost({name: outcome.solved for name, outcome in early.items()})
    if stopped:
        others: dict[str, list[int]] = {}
    else:
        rest = {
            task.name: [place for place in range(len(task.ids)) if place not in first[task.name]]
            for task in tasks
        }
        others = {name: places for name, places in rest.items() if places}
    waiting = [task.part(others[task.name]) for task in tasks if task.name in others]
    late = evaluate(engine, waiting, spans) if waiting else {}
    outcomes = {}
    for task in tasks:
        parts = [(first[task.name], early[task.name])]
        if task.name in late:
            parts.append((others[task.name], late[task.name]))
        outcomes[task.name] = _placed(len(task.ids), parts)
    return outcomes, stopped


def _placed(count: int, parts: Sequence[tuple[Sequence[int], Outcomes]]) -> Outcomes:
    """Outcomes of parts of a task's items as those of the task."""
    marks = [NOT_ASKED] * count
    answers: dict[str, str] = {}
    for places, outcome in parts:
        for place, mark in zip(places, outcome.solved, strict=True):
            marks[place] = mark
        answers |= outcome.answers
    return Outcomes("".join(marks), answers)
