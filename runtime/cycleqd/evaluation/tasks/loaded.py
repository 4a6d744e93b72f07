"""A task as loaded from its dataset: the `Task` that engines and judges see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from cycleqd.evaluation.engine import Request
from cycleqd.evaluation.sandbox import Limits, Sandbox
from cycleqd.evaluation.tasks.items import Item
from cycleqd.evaluation.tasks.skill import Skill


@dataclass(frozen=True)
class LoadedTask:
    """One skill, measured on the items of one file.

    Attributes:
        name: the task's name in the manifest.
        skill: how it judges.
        items: the items, in the file's order.
        digest: SHA-256 of the items as a run stores them, in hexadecimal.
        prompts: what the model sees for each item.
        max_new_tokens: limit on generated tokens.
        stop: a completion ends before the first of these strings.
        limits: what one completion's program may use.
        sandbox: where it runs.
    """

    name: str
    skill: Skill[Any]
    items: tuple[Item, ...]
    digest: str
    prompts: tuple[str, ...]
    max_new_tokens: int
    stop: tuple[str, ...]
    limits: Limits
    sandbox: Sandbox

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the items, in order."""
        return tuple(item.text("id") for item in self.items)

    def part(self, places: Sequence[int]) -> Self:
        """The same task with some of its items alone, in the order of these places."""
        return replace(
            self,
            items=tuple(self.items[place] for place in places),
            prompts=tuple(self.prompts[place] for place in places),
        )

    def requests(self) -> list[Request]:
        """One request for each item, in the dataset's order."""
        return [Request(prompt, self.max_new_tokens, self.stop) for prompt in self.prompts]

    def grade(self, completions: Sequence[str]) -> list[bool]:
        """Whether each completion solves its item, in the same order.

        Raises:
            ValueError: there is not one completion for each item.
            SandboxUnavailable: generated code cannot be contained on this machine.
        """
        if len(completions) != len(self.items):
            raise ValueError(
                f"task {self.name}: {len(completions)} completions, {len(self.items)} items"
            )
        rows = zip(self.items, completions, strict=True)
        answers = [self.skill.answer(item, completion) for item, completion in rows]
        return self.skill.judge(self.items, answers, self.sandbox, self.limits)

    def lessons(self, completions: Sequence[str], verdicts: Sequence[bool]) -> dict[str, str]:
        """The completions that others may learn from, by the item's id."""
        rows = zip(self.ids, self.items, completions, verdicts, strict=True)
        return {
            name: completion
            for name, item, completion, solved in rows
            if solved and self.skill.honest(item, self.skill.answer(item, completion))
        }
