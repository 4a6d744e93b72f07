"""Whether items can be solved at all: their own solutions are judged like any answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cycleqd.evaluation.sandbox import Limits, Sandbox
from cycleqd.evaluation.tasks.items import Item
from cycleqd.evaluation.tasks.reading import Dataset
from cycleqd.evaluation.tasks.skill import ProgramSkill, Skill

_BATCH = 50

Say = Callable[[str], None]


@dataclass(frozen=True)
class Tried:
    """What came of trying items out.

    Attributes:
        told: number of items whose file tells a solution.
        unsolved: ids of those that their solution does not solve.
        vacuous: ids of items that an empty answer solves.
    """

    told: int
    unsolved: tuple[str, ...]
    vacuous: tuple[str, ...]


def try_out(found: Dataset, skill: Skill[Any], sandbox: Sandbox, limits: Limits, say: Say) -> Tried:
    """Judge the solution of every item that has one, and nothing at all for every item.

    Args:
        found: the items.
        skill: their type.
        sandbox: where programs run.
        limits: what one of them may use.
        say: told how far it is.

    Raises:
        SandboxUnavailable: programs cannot be contained on this machine.
    """
    pairs = zip(found.items, found.solutions, strict=True)
    told = [(item, solution) for item, solution in pairs if solution is not None]
    work = [*told, *((item, "") for item in found.items)]
    solved: list[bool] = []
    for start in range(0, len(work), _BATCH):
        solved += _judged(work[start : start + _BATCH], skill, sandbox, limits)
        if len(work) > _BATCH and isinstance(skill, ProgramSkill):
            say(f"judged {len(solved)} of {len(work)} answers")
    names = [item.text("id") for item, _ in work]
    verdicts = list(zip(names, solved, strict=True))
    return Tried(
        told=len(told),
        unsolved=tuple(name for name, right in verdicts[: len(told)] if not right),
        vacuous=tuple(name for name, right in verdicts[len(told) :] if right),
    )


def _judged(
    work: Sequence[tuple[Item, str]], skill: Skill[Any], sandbox: Sandbox, limits: Limits
) -> list[bool]:
    items = [item for item, _ in work]
    answers = [skill.answer(item, completion) for item, completion in work]
    return skill.judge(items, answers, sandbox, limits)
