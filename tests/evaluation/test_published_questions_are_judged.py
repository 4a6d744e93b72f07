"""GSM8K and other tables of questions score by ``exact`` and ``number``, as published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.published import GSM8K, judged, read

from cycleqd.errors import DatasetError
from cycleqd.evaluation.sandbox import Sandbox
from cycleqd.evaluation.tasks.exact import ExactSettings
from cycleqd.evaluation.tasks.number import NumberSettings


@pytest.fixture(scope="module")
def box() -> Sandbox:
    """Nothing runs in it."""
    return Sandbox()


def number(answer: Any, completions: list[str], folder: Path, **settings: Any) -> list[bool]:
    chosen = NumberSettings(**settings)
    found = read([{**GSM8K, "answer": answer}], "number", folder, settings=chosen)
    return judged(found, "number", completions, Sandbox(), settings=chosen)


def test_a_row_as_published(tmp_path: Path, box: Sandbox) -> None:
    found = read([GSM8K, {**GSM8K, "question": "And now?"}], "number", tmp_path)
    assert [item.text("id") for item in found.items] == ["0", "1"]
    assert found.items[1].text("prompt") == "Question: And now?\nAnswer:"
    assert found.forms == {"question and answer (GSM8K)": 2}
    solution = found.solutions[0]
    assert solution == GSM8K["answer"]
    assert judged(found, "number", [solution, "1,801", ""], box) == [True, False, False]


def test_where_a_number_is_found(tmp_path: Path) -> None:
    answers = {
        "1800": True,
        "So there are 1,800 pens.": True,
        "600 + 1200 = $1,800.00": True,
        "**1800**": True,
        "\\boxed{1800} is more than 600": True,
        "#### 1800\n\nQuestion: What is 2 + 3?\nAnswer: 5\n#### 5": True,
        "1800 pens in 2 boxes": False,
        "-1800": False,
        "18,00": False,
        "#### 600\n1800": False,
        "eighteen hundred": False,
        "1e999": False,
        "": False,
    }
    assert number(GSM8K["answer"], list(answers), tmp_path) == list(answers.values())


@pytest.mark.parametrize(
    ("answer", "right", "wrong"),
    [
        (-3, "x = -3", "5-3"),
        (0.1, "0.10", "0.11"),
        ("2.5e3", "2500", "2.5"),
        ("$7", "it costs $7.", "7,5"),
        (12, "10-12", "12-13"),
        (1000000, "1,000,000", "1,000"),
        ("\u22122", "minus two is \u22122", "2"),
    ],
)
def test_numbers_are_what_they_are_written_like(
    answer: Any, right: str, wrong: str, tmp_path: Path
) -> None:
    assert number(answer, [right, wrong], tmp_path) == [True, False]


def test_the_pattern_and_the_tolerance(tmp_path: Path) -> None:
    answers = ["The answer is 20. Not 3.", "20", "The answer is x"]
    pattern = "The answer is ([^ .]+)"
    assert number("#### 20", answers, tmp_path, answer_pattern=pattern) == [True, False, False]
    assert number(20, ["20.19", "20.3"], tmp_path, tolerance=0.01) == [True, False]
    assert number(20, ["1e400"], tmp_path, tolerance=0.01) == [False]


def test_exact_answers_by_a_pattern(tmp_path: Path, box: Sandbox) -> None:
    settings = ExactSettings(answer_pattern="#### (.+)")
    found = read([GSM8K], "exact", tmp_path, settings=settings)
    assert found.items[0].fields["answer"] == "1,800"
    (solution,) = found.solutions
    assert solution is not None
    answers = [solution, "#### 1,800 \nso", "1,800", "#### 1800"]
    assert judged(found, "exact", answers, box, settings=settings) == [True, True, False, False]
    plain = read([GSM8K], "exact", tmp_path)
    assert judged(plain, "exact", ["1,800", GSM8K["answer"]], box) == [True, False]


def test_solutions_that_a_pattern_does_not_find_are_not_told(tmp_path: Path) -> None:
    settings = NumberSettings(answer_pattern="The answer is ([0-9]+)")
    assert read([GSM8K], "number", tmp_path, settings=settings).solutions == (None,)


def test_answers_that_are_no_number_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"item 1: answer: must be a number, or a text that end"):
        read([{**GSM8K, "answer": "#### many"}], "number", tmp_path)
