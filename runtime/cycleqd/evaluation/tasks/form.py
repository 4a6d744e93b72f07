"""Published forms of items: the fields that a well-known dataset has, and what they mean here.

A type of task lists those it takes (`Skill.forms`). Rows in such a form become items of the type's
own fields when they are read, so that a run's store, its workers and its records know one form only
and need nothing of what it was made from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cycleqd.evaluation.tasks.items import Field

Fields = Mapping[str, Any]

_IDENTIFIERS = ("id", "task_id", "question_id")
"""Where datasets keep an item's name; those that have none number their rows from 0."""


class Unusable(Exception):
    """A row that cannot become an item.

    Attributes:
        field: the row's field that is to blame.
        problem: what is wrong with it and what would be right.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


def _unsolved(_row: Fields) -> str | None:
    return None


@dataclass(frozen=True)
class Form:
    """A form in which items are published.

    Attributes:
        name: the dataset's name, for people.
        fields: those that are read; a row that has the required ones is of this form.
        convert: an item's fields from a row's whose fields are right, ``id`` aside.
        solution: a completion that solves a row's item, where the row tells one.

    Raises:
        Unusable: (from ``convert``) the row cannot become an item.
    """

    name: str
    fields: tuple[Field, ...]
    convert: Callable[[Fields], Fields]
    solution: Callable[[Fields], str | None] = _unsolved

    def share(self, row: Fields) -> float:
        """Share of the required fields that a row has."""
        required = [known.name for known in self.fields if known.required]
        return sum(name in row for name in required) / len(required)


def form_of(row: Fields, own: Form, published: Sequence[Form]) -> Form:
    """The form that a row is of, or looks most like.

    Args:
        row: a row's fields.
        own: the form with the fields of the type itself.
        published: others, the more particular ones first.
    """
    forms = (own, *published)
    return max(forms, key=lambda form: form.share(row))


def identifier_of(row: Fields, number: int) -> object:
    """What names the item of a published row.

    Args:
        row: its fields.
        number: of the row, from 0.
    """
    return next((row[name] for name in _IDENTIFIERS if name in row), number)
