r"""``number``: the answer is a number, wherever in the completion it stands.

Numbers are compared as written in decimals: ``1,000`` and ``$1000.00`` are 1000. Unless a pattern
says otherwise, the answer is what GSM8K's evaluations take: the number after the first ``####``,
else the one in the first ``\boxed{}``, else the last number of the completion.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import ClassVar

from cycleqd.evaluation.sandbox import Limits, Sandbox
from cycleqd.evaluation.tasks.databases import Databases
from cycleqd.evaluation.tasks.exact import match_of
from cycleqd.evaluation.tasks.form import Fields, Form
from cycleqd.evaluation.tasks.items import Field, Item, shown
from cycleqd.evaluation.tasks.question_forms import question_form
from cycleqd.evaluation.tasks.skill import Skill
from cycleqd.manifest.values import Fraction, Model, Pattern

_DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+"
# A hyphen after a letter or a number is no sign: 10-12, covid-19.
_NUMBER = rf"(?:(?<![\w.)])[-+])?[$€£]?(?:{_DIGITS})(?:[eE][-+]?[0-9]{{1,3}}(?![0-9]))?"
_MARKED = (rf"####[ \t]*({_NUMBER})", rf"\\boxed\{{[ \t]*({_NUMBER})")


def number_of(text: str) -> Decimal | None:
    """The number that a text is, with separators and a currency's sign; None for anything else."""
    text = text.strip().rstrip(".").replace("\u2212", "-")
    if not re.fullmatch(_NUMBER, text):
        return None
    return Decimal(re.sub(r"[,$€£]", "", text))


def last_number(completion: str) -> str:
    """The answer's number in a completion, by the rule of this module; "" without any."""
    completion = completion.replace("\u2212", "-")
    for pattern in _MARKED:
        if (found := match_of(pattern, completion)) is not None:
            return found
    numbers = re.findall(_NUMBER, completion)
    return numbers[-1] if numbers else ""


def _number(value: object) -> str | None:
    if isinstance(value, str) and number_of(value) is not None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return None
    return f"must be a number, or a text that ends in #### and a number, not {shown(value)}"


class NumberSettings(Model):
    """Where the number stands, and how near is near enough."""

    answer_pattern: Pattern | None = None
    r"""Regular expression of Python that finds the number in a completion: its first match, or what
    the first pair of parentheses matched. When absent, the number after the first ``####``, else in
    the first ``\boxed{}``, else the last one."""

    tolerance: Fraction = 0
    """Share of the right number by which an answer may differ."""


class NumberSkill(Skill[NumberSettings]):
    """Compares numbers; an answer that is none is wrong."""

    name = "number"
    summary = "compares numbers"
    settings_model = NumberSettings
    ignores: ClassVar = {"timeoutSeconds": "which runs no code"}
    fields = (Field("answer", _number),)

    def forms(self, databases: Databases | None) -> tuple[Form, ...]:  # noqa: ARG002
        """Questions with answers."""
        return (question_form(_number, self._solution),)

    def _solution(self, row: Fields) -> str | None:
        """The answer as published, where it is one that this type would find."""
        pattern, answer = self.settings.answer_pattern, str(row["answer"])
        return answer if pattern is None or match_of(pattern, answer) is not None else None

    def answer(self, item: Item, completion: str) -> str:  # noqa: ARG002
        """The text of the number; empty where there is none."""
        pattern = self.settings.answer_pattern
        return last_number(completion) if pattern is None else match_of(pattern, completion) or ""

    def judge(
        self,
        items: Sequence[Item],
        answers: Sequence[str],
        sandbox: Sandbox,  # noqa: ARG002  # nothing runs
        limits: Limits,  # noqa: ARG002
    ) -> list[bool]:
        """Whether each answer is the number, or near enough."""
        return [self._right(item, answer) for item, answer in zip(items, answers, strict=True)]

    def _right(self, item: Item, answer: str) -> bool:
        found, right = number_of(answer), number_of(str(item.fields["answer"]))
        if found is None or right is None:
            return False
        near = self.settings.tolerance
        return found == right or (
            near > 0 and math.isclose(float(found), float(right), rel_tol=near)
        )
