"""A model's results: all tasks' prompts as one batch through the engine, then the verdicts.

A broken candidate needs no special case. Weights that give infinities generate text like any other;
it solves nothing, and scores 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cycleqd.evaluation.engine import Engine
from cycleqd.evaluation.task import Task


@dataclass(frozen=True)
class Outcomes:
    """What a model did on one task.

    Attributes:
        solved: one character for each item in the dataset's order, ``1`` solved, ``0`` not.
        answers: completions that solved their item and may be learned from, by the item's id.
    """

    solved: str
    answers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what is no outcome.

        Raises:
            ValueError: empty, or another character than 0 and 1.
        """
        if not self.solved or set(self.solved) - {"0", "1"}:
            raise ValueError(
                f"outcomes must be a text of 0 and 1 that is not empty, not {self.solved!r}"
            )

    @property
    def score(self) -> float:
        """The fraction of items that are solved, in [0, 1]."""
        return self.solved.count("1") / len(self.solved)


def evaluate(engine: Engine, tasks: Sequence[Task]) -> dict[str, Outcomes]:
    """Measure the weights that the engine holds.

    Args:
        engine: holds the model.
        tasks: what to measure, names all different.

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
    completions = engine.generate([request for batch in batches for request in batch])
    outcomes: dict[str, Outcomes] = {}
    start = 0
    for task, batch in zip(tasks, batches, strict=True):
        own = completions[start : start + len(batch)]
        verdicts = task.grade(own)
        start += len(batch)
        outcomes[task.name] = Outcomes(
            solved="".join("1" if solved else "0" for solved in verdicts),
            answers=task.lessons(own, verdicts),
        )
    return outcomes
