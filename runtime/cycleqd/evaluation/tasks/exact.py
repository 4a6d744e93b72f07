"""``exact``: the answer is one of the accepted texts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from cycleqd.evaluation.sandbox import Limits, Sandbox
from cycleqd.evaluation.tasks.databases import Databases
from cycleqd.evaluation.tasks.form import Fields, Form
from cycleqd.evaluation.tasks.items import Field, Item, no_text
from cycleqd.evaluation.tasks.question_forms import final, question_form
from cycleqd.evaluation.tasks.skill import Skill
from cycleqd.manifest.values import Model, Pattern


def _accepted(value: object) -> str | None:
    texts = value if isinstance(value, list) else [value]
    if texts and all(isinstance(text, str) and text.strip() for text in texts):
        return None
    return "must be a text, or a list of accepted texts, none of them empty"


class ExactSettings(Model):
    """Where the answer stands."""

    answer_pattern: Pattern | None = None
    """Regular expression of Python that finds the answer in a completion: its first match, or what
    the first pair of parentheses matched. The whole completion when absent."""


class ExactSkill(Skill[ExactSettings]):
    """Compares texts; white space at both ends does not count, everything else does."""

    name = "exact"
    summary = "compares text"
    settings_model = ExactSettings
    settings_written: ClassVar = False
    ignores: ClassVar = {"timeoutSeconds": "which runs no code"}
    fields = (Field("answer", _accepted, characters=no_text),)

    def forms(self, databases: Databases | None) -> tuple[Form, ...]:  # noqa: ARG002
        """Questions with answers."""
        return (question_form(_accepted, self._solution),)

    def _solution(self, row: Fields) -> str | None:
        """The answer as published, where it is one that this type would find."""
        answer = row["answer"][0] if isinstance(row["answer"], list) else row["answer"]
        pattern = self.settings.answer_pattern
        if pattern is None:
            return str(final(answer))
        return answer if match_of(pattern, answer) is not None else None

    def answer(self, item: Item, completion: str) -> str:
        """What the pattern finds; nothing where it finds nothing."""
        pattern = self.settings.answer_pattern
        if pattern is None:
            return super().answer(item, completion)
        return (match_of(pattern, completion) or "").strip()

    def judge(
        self,
        items: Sequence[Item],
        answers: Sequence[str],
        sandbox: Sandbox,  # noqa: ARG002  # nothing runs
        limits: Limits,  # noqa: ARG002
    ) -> list[bool]:
        """Whether each answer is accepted."""
        return [answer in _texts(item) for item, answer in zip(items, answers, strict=True)]


def match_of(pattern: str, text: str) -> str | None:
    """What a pattern finds first: its first group, or all of it; None where it finds nothing."""
    found = re.search(pattern, text)
    if found is None:
        return None
    return found[1] if found.re.groups else found[0]


def _texts(item: Item) -> set[str]:
    value = item.fields["answer"]
    return {text.strip() for text in (value if isinstance(value, list) else [value])}
