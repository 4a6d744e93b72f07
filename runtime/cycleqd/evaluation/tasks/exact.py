"""``exact``: the answer is one of the accepted texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from cycleqd.evaluation.sandbox import Limits, Sandbox
from cycleqd.evaluation.tasks.items import Field, Item
from cycleqd.evaluation.tasks.skill import Skill


def _accepted(value: object) -> str | None:
    texts = value if isinstance(value, list) else [value]
    if texts and all(isinstance(text, str) and text.strip() for text in texts):
        return None
    return "must be a text, or a list of accepted texts, none of them empty"


class ExactSkill(Skill[None]):
    """Compares texts; white space at both ends does not count, everything else does."""

    name = "exact"
    summary = "compares text"
    ignores: ClassVar = {"timeoutSeconds": "which runs no code"}
    fields = (Field("answer", _accepted),)

    def judge(
        self,
        items: Sequence[Item],
        answers: Sequence[str],
        sandbox: Sandbox,  # noqa: ARG002  # nothing runs
        limits: Limits,  # noqa: ARG002
    ) -> list[bool]:
        """Whether each answer is accepted."""
        return [answer in _texts(item) for item, answer in zip(items, answers, strict=True)]


def _texts(item: Item) -> set[str]:
    value = item.fields["answer"]
    return {text.strip() for text in (value if isinstance(value, list) else [value])}
