"""What a type of task knows: the fields of its items, and how a completion is judged.

A type that runs programs of its own is imported by the sandbox's harness, which has the standard
library only; so what stands here needs no more.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from cycleqd.evaluation.sandbox import Limits, Program, Report, Sandbox
from cycleqd.evaluation.tasks.completion import answer_of
from cycleqd.evaluation.tasks.databases import Databases
from cycleqd.evaluation.tasks.form import Form
from cycleqd.evaluation.tasks.items import Field, Item
from cycleqd.manifest.registry import Registered

if TYPE_CHECKING:
    from cycleqd.manifest.values import Model

S = TypeVar("S", bound="Model | None")


class Skill(Registered, ABC, Generic[S]):
    """A type of task. Without state, so one object serves both splits of a task.

    Attributes:
        fields: the fields of its items beside ``id`` and ``prompt``.
        settings: the type's own, a ``settings_model``, or None.
    """

    fields: ClassVar[tuple[Field, ...]]

    def __init__(self, settings: S) -> None:
        self.settings = settings

    def forms(self, databases: Databases | None) -> tuple[Form, ...]:  # noqa: ARG002
        """The published forms that items of this type may have, the more particular ones first.

        Args:
            databases: finds database files that rows speak of, None where there are none.
        """
        return ()

    def files(self, fields: Mapping[str, Any]) -> Mapping[str, str]:  # noqa: ARG002
        """What an item needs beside its fields: SHA-256 of a file by the field that names it."""
        return {}

    @property
    def database_folder(self) -> str | None:
        """Where the settings say that databases of published items are, None for beside them."""
        return None

    def incomplete(self, fields: Mapping[str, Any]) -> tuple[str, str] | None:  # noqa: ARG002
        """What is wrong with which fields an item has: a field and the problem, None if nothing."""
        return None

    def answer(self, item: Item, completion: str) -> str:  # noqa: ARG002
        """What of a completion is judged."""
        return answer_of(completion)

    @abstractmethod
    def judge(
        self, items: Sequence[Item], answers: Sequence[str], sandbox: Sandbox, limits: Limits
    ) -> list[bool]:
        """Whether each answer (see `answer`) solves its item.

        Raises:
            SandboxUnavailable: generated code cannot be contained on this machine.
        """

    def honest(self, item: Item, answer: str) -> bool:  # noqa: ARG002 - most checks stand apart
        """Whether an answer that solved its item did so without breaking the check.

        What passes here is learned by all, so doubt counts against the answer. Most checks cannot
        be reached by the answer: it is compared, or what it left behind is looked at from outside.
        """
        return True


class ProgramSkill(Skill[S]):
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
