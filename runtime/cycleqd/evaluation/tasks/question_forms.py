"""Questions with an answer, as GSM8K and most tables of questions are published."""

from __future__ import annotations

from collections.abc import Callable

from cycleqd.evaluation.tasks.form import Fields, Form
from cycleqd.evaluation.tasks.items import Check, Field, text

MARK = "####"
"""What GSM8K writes before the final answer."""


def final(answer: object) -> object:
    """What stands after the last mark of an answer, the whole answer without one."""
    return answer.rpartition(MARK)[2].strip() if isinstance(answer, str) else answer


def question_form(check: Check, solution: Callable[[Fields], str | None]) -> Form:
    """The form ``question``, ``answer``; the answer may show its steps before a mark.

    Args:
        check: of the final answer.
        solution: a completion that solves a row.
    """
    return Form(
        "question and answer (GSM8K)",
        (Field("question", text), Field("answer", lambda value: check(final(value)))),
        lambda row: {
            "prompt": f"Question: {row['question'].strip()}\nAnswer:",
            "answer": final(row["answer"]),
        },
        solution,
    )
