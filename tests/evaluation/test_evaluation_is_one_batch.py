"""All tasks' prompts go through the engine as one batch, and outcomes come back by task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from cycleqd.evaluation.engine import Request
from cycleqd.evaluation.evaluate import Outcomes, evaluate


@dataclass
class EchoEngine:
    """Completes a prompt with itself; counts batches."""

    batches: int = 0
    name: str = "echo"

    def load(self, tensors: object) -> None:
        raise AssertionError

    def generate(self, requests: Sequence[Request]) -> list[str]:
        self.batches += 1
        return [request.prompt for request in requests]

    def close(self) -> None:
        raise AssertionError


@dataclass
class WordTask:
    """Solved where the completion is the expected word."""

    name: str
    prompts: list[str]
    expected: list[str]

    def requests(self) -> list[Request]:
        return [Request(prompt, 4) for prompt in self.prompts]

    def grade(self, completions: Sequence[str]) -> list[bool]:
        return [a == b for a, b in zip(completions, self.expected, strict=True)]

    def lessons(self, completions: Sequence[str], verdicts: Sequence[bool]) -> dict[str, str]:
        rows = enumerate(zip(completions, verdicts, strict=True))
        return {f"item-{n}": completion for n, (completion, solved) in rows if solved}


def test_each_task_gets_its_own_completions() -> None:
    engine = EchoEngine()
    first = WordTask("first", ["a", "b", "c"], ["a", "x", "c"])
    second = WordTask("second", ["d", "e"], ["x", "e"])
    outcomes = evaluate(engine, [first, second])
    assert outcomes == {
        "first": Outcomes("101", {"item-0": "a", "item-2": "c"}),
        "second": Outcomes("01", {"item-1": "e"}),
    }
    assert list(outcomes) == ["first", "second"]
    assert [outcome.score for outcome in outcomes.values()] == [2 / 3, 0.5]
    assert engine.batches == 1


def test_names_must_differ() -> None:
    task = WordTask("same", ["a"], ["a"])
    with pytest.raises(ValueError, match="different names"):
        evaluate(EchoEngine(), [task, task])


@pytest.mark.parametrize("text", ["", "012", "x"])
def test_outcomes_are_zeros_and_ones(text: str) -> None:
    with pytest.raises(ValueError, match="text of 0 and 1"):
        Outcomes(text)
