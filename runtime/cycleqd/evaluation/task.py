"""The seam to tasks: items with prompts on one side, a verdict for each completion on the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, Self

from cycleqd.evaluation.engine import Request


class Task(Protocol):
    """One skill, measured on the items of one split.

    Grading is deterministic: the same completions give the same outcomes on any machine.
    """

    @property
    def name(self) -> str:
        """The task's name in the manifest."""
        ...

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the items, in the dataset's order."""
        ...

    def part(self, places: Sequence[int]) -> Self:
        """The same task with some of its items alone, in the order of these places."""
        ...

    def requests(self) -> list[Request]:
        """One request for each item, in the dataset's order."""
        ...

    def grade(self, completions: Sequence[str]) -> list[bool]:
        """Whether each completion solves its item, in the same order.

        A completion that crashes, hangs or breaks a limit does not solve its item; no error.

        Raises:
            SandboxUnavailable: generated code cannot be contained on this machine.
        """
        ...

    def lessons(self, completions: Sequence[str], verdicts: Sequence[bool]) -> Mapping[str, str]:
        """The completions that others may learn from, by the item's id.

        They have solved their items, and not by breaking the check.
        """
        ...
