"""All tasks' prompts go through the engine as one batch, and outcomes come back by task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pytest

from cycleqd.evaluation.engine import Request
from cycleqd.evaluation.evaluate import Outcomes, evaluate, evaluate_raced


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

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(f"item-{prompt}" for prompt in self.prompts)

    def part(self, places: Sequence[int]) -> WordTask:
        return WordTask(
            self.name, [self.prompts[p] for p in places], [self.expected[p] for p in places]
        )

    def requests(self) -> list[Request]:
        return [Request(prompt, 4) for prompt in self.prompts]

    def grade(self, completions: Sequence[str]) -> list[bool]:
        return [a == b for a, b in zip(completions, self.expected, strict=True)]

    def lessons(self, completions: Sequence[str], verdicts: Sequence[bool]) -> dict[str, str]:
        rows = zip(self.ids, completions, verdicts, strict=True)
        return {name: completion for name, completion, solved in rows if solved}


def test_each_task_gets_its_own_completions() -> None:
    engine = EchoEngine()
    first = WordTask("first", ["a", "b", "c"], ["a", "x", "c"])
    second = WordTask("second", ["d", "e"], ["x", "e"])
    outcomes = evaluate(engine, [first, second])
    assert outcomes == {
        "first": Outcomes("101", {"item-a": "a", "item-c": "c"}),
        "second": Outcomes("01", {"item-e": "e"}),
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


def test_a_race_asks_the_first_items_alone_and_then_the_others() -> None:
    first = WordTask("first", ["a", "b", "c"], ["a", "x", "c"])
    second = WordTask("second", ["d"], ["x"])
    places = {"first": (2, 0), "second": (0,)}
    seen: list[Mapping[str, str]] = []

    def decide(marks: Mapping[str, str], *, lost: bool) -> bool:
        seen.append(marks)
        return lost

    engine = EchoEngine()
    stopped = evaluate_raced(engine, [first, second], places, partial(decide, lost=True))
    assert stopped == (
        {"first": Outcomes("1-1", {"item-a": "a", "item-c": "c"}), "second": Outcomes("0")},
        True,
    )
    assert seen == [{"first": "11", "second": "0"}]
    assert [outcome.score for outcome in stopped[0].values()] == [1.0, 0.0]
    assert engine.batches == 1
    whole = evaluate_raced(engine, [first, second], places, partial(decide, lost=False))
    assert whole == (evaluate(EchoEngine(), [first, second]), False)
    assert engine.batches == 3


def test_items_that_nobody_was_asked_are_no_outcome() -> None:
    with pytest.raises(ValueError, match="outcomes must be"):
        Outcomes("--")
