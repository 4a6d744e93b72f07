"""What a skill asks: questions with reference answers, drawn reproducibly and split by their text.

A skill is a list of templates. A template fills its blanks from a random generator and returns a
`Question`: the prompt, a reference answer (training text) and the fields by which a task grades any
other answer by execution. ``draw`` picks templates and keeps the questions that belong to a split.

The split of a question is a hash of its prompt, so no question is in two splits, whatever was drawn
in which order with which seed:

==========  ======  ==============================================================
``train``    60 %   fine-tuning of the experts (and of the tiny base)
``search``   15 %   what the evolution selects on
``tune``     10 %   for us, who choose training recipes; never shipped, never reported
``test``     15 %   what is reported; four disjoint parts, one for each seed modulo 4
==========  ======  ==============================================================
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Split = Literal["train", "search", "tune", "test"]
Template = Callable[[random.Random], "Question"]

TEST_PARTS = 4
_TEMPLATE_ATTEMPTS = 30
_FILLING_ATTEMPTS = 120
_LIMITS: tuple[tuple[Split, int], ...] = (
    ("train", 60),
    ("search", 75),
    ("tune", 85),
    ("test", 100),
)


@dataclass(frozen=True)
class Question:
    """One question of a skill.

    Attributes:
        template: name of the template that made it.
        prompt: the full prompt; the answer begins right behind it.
        answer: a correct completion, one line without its newline.
        fields: makes what the task's JSONL adds to ``id`` and ``prompt``; called for the few
            questions that are kept.
    """

    template: str
    prompt: str
    answer: str
    fields: Callable[[], Mapping[str, Any]]

    @property
    def identity(self) -> str:
        """Eight hexadecimal digits that follow from the prompt."""
        return _digest(self.prompt)[:8]

    @property
    def split(self) -> Split:
        """The split this question belongs to."""
        percent = int(_digest(self.prompt)[8:16], 16) % 100
        return next(name for name, limit in _LIMITS if percent < limit)

    @property
    def test_part(self) -> int:
        """Which of the disjoint parts of the test split it belongs to."""
        return int(_digest(self.prompt)[16:24], 16) % TEST_PARTS

    def item(self, skill: str) -> dict[str, Any]:
        """The line of the skill's JSONL file."""
        return {"id": f"{skill}-{self.identity}", "prompt": self.prompt, **self.fields()}


@dataclass(frozen=True)
class Skill:
    """One skill of the demo.

    Attributes:
        name: such as ``sql``; also that of its expert.
        type: of the task that grades it.
        shared: templates about the staff table, which the first skills are all asked about.
        own: templates of this skill alone.
    """

    name: str
    type: str
    shared: Sequence[Template]
    own: Sequence[Template]


def draw(
    skill: Skill,
    split: Split,
    count: int,
    *,
    seed: int = 0,
    shared_share: float = 0.4,
    keep: Callable[[str], bool] = lambda _: True,
) -> list[Question]:
    """Distinct questions of one split, in random order.

    Args:
        skill: what to ask about.
        split: which split to draw from.
        count: how many.
        seed: another seed gives another sample; of the test split a disjoint one (modulo 4).
        shared_share: share of the questions that concern the staff table.
        keep: whether a template (by name) may be used.

    Raises:
        ValueError: the templates do not have so many distinct questions in the split.
    """
    rng = random.Random(f"{skill.name}/{split}/{seed}")
    found: dict[str, Question] = {}

    def wanted(question: Question) -> bool:
        return (
            question.split == split
            and (split != "test" or question.test_part == seed % TEST_PARTS)
            and question.prompt not in found
            and keep(question.template)
        )

    for _ in range(count):
        for _attempt in range(_TEMPLATE_ATTEMPTS):
            about_staff = rng.random() < shared_share and skill.shared
            group = skill.shared if about_staff else skill.own
            question = _filled(rng.choice(group), rng, wanted)
            if question is not None:
                found[question.prompt] = question
                break
        else:
            raise ValueError(f"{skill.name} has fewer than {count} questions in {split}")
    return list(found.values())


def _filled(
    template: Template, rng: random.Random, wanted: Callable[[Question], bool]
) -> Question | None:
    """A wanted question of this template; a template of few questions may have none left."""
    for _ in range(_FILLING_ATTEMPTS):
        question = template(rng)
        if wanted(question):
            return question
    return None


def data_generator(prompt: str) -> random.Random:
    """The generator of a question's data (rows, files, test inputs): it follows from the prompt."""
    return random.Random(f"data/{prompt}")


def words(text: str) -> tuple[str, ...]:
    """The words of a text, for lists that are read more easily as a line."""
    return tuple(text.split())


def _digest(prompt: str) -> str:
    return hashlib.sha256(prompt.encode()).hexdigest()
