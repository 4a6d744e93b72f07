"""What a type of task knows: the fields of its items, and how a completion is judged."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

from cycleqd.evaluation.sandbox import Limits, Program, Report, Sandbox
from cycleqd.evaluation.tasks.items import Field, Item


class Skill(Protocol):
    """A type of task. Stateless, so one object serves all tasks of the type."""

    @property
    def type(self) -> str:
        """Its name in the manifest."""
        ...

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields of its items beside ``id`` and ``prompt``."""
        ...

    def judge(
        self, items: Sequence[Item], answers: Sequence[str], sandbox: Sandbox, limits: Limits
    ) -> list[bool]:
        """Whether each answer (a cleaned completion) solves its item.

        Raises:
            SandboxUnavailable: generated code cannot be contained on this machine.
        """
        ...


class ProgramSkill(ABC):
    """Judges by running the answer: a type says which program, and whether its report is right."""

    @abstractmethod
    def program(self, item: Item, answer: str, limits: Limits) -> Program:
        """The program that shows whether the answer solves the item."""

    @abstractmethod
    def solved(self, item: Item, report: Report) -> bool:
        """Whether a program that ran to its end solved the item."""

    def judge(
        self, items: Sequence[Item], answers: Sequence[str], sandbox: Sandbox, limits: Limits
    ) -> list[bool]:
        """Run all programs as one batch and compare their reports with the items."""
        programs = [
            self.program(item, answer, limits) for item, answer in zip(items, answers, strict=True)
        ]
        return [
            report.status == "passed" and self.solved(item, report)
            for item, report in zip(items, sandbox.run(programs), strict=True)
        ]
