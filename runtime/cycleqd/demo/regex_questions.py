"""The regex skill, which joins later: a pattern of Python's ``re``, checked by what it finds.

The answer defines ``f``, which takes a text and returns what its pattern matches; the expected
values come from the reference answer.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from itertools import islice
from typing import Any

from cycleqd.demo.questions import Question, Skill, data_generator

_ATTEMPTS = 3000
_LETTERS = "abcdefghijklmnoprstuvwy"


def _asked(template: str, text: str, pattern: str, marks: Sequence[str]) -> Question:
    """A question about words in which ``marks`` are more frequent than other letters."""
    prompt = f"{text}\n```regex\n"

    def fields() -> dict[str, Any]:
        rng = data_generator(prompt)
        cases = [_text(rng, pattern, marks) for _ in range(2)]
        found = [re.findall(pattern, case) for case in cases]
        pairs = zip(cases, found, strict=True)
        tests = "\n".join(f"assert f({case!r}) == {expected!r}" for case, expected in pairs)
        return {"setup": "import re", "tests": tests}

    return Question(template, prompt, f"f = re.compile(r'{pattern}').findall", fields)


def _text(rng: random.Random, pattern: str, marks: Sequence[str]) -> str:
    """A dozen words, of which a few match; chance alone would leave most questions without any."""
    words = (_word(rng, marks) for _ in range(_ATTEMPTS))
    matching = list(islice((word for word in words if re.search(pattern, word)), 4))
    chosen = [*matching, *(_word(rng, marks) for _ in range(12 - len(matching)))]
    rng.shuffle(chosen)
    return " ".join(chosen)


def _word(rng: random.Random, marks: Sequence[str]) -> str:
    letters = [rng.choice(marks) if rng.random() < 0.5 else rng.choice(_LETTERS) for _ in range(8)]
    return "".join(letters[: rng.randint(3, 8)])


def _starting(rng: random.Random) -> Question:
    first, second = rng.choices(_LETTERS, k=2)
    return _asked(
        "regex-starting",
        f"words starting with {first}{second}",
        rf"\b{first}{second}\w*",
        (first, second),
    )


def _ending(rng: random.Random) -> Question:
    first, second = rng.choices(_LETTERS, k=2)
    return _asked(
        "regex-ending",
        f"words ending in {first}{second}",
        rf"\w*{first}{second}\b",
        (first, second),
    )


def _both_ends(rng: random.Random) -> Question:
    first, second, last = rng.choices(_LETTERS, k=3)
    return _asked(
        "regex-both-ends",
        f"words starting with {first} or {second} and ending in {last}",
        rf"\b[{first}{second}]\w*{last}\b",
        (first, second, last),
    )


def _in_order(rng: random.Random) -> Question:
    first, second = rng.choices(_LETTERS, k=2)
    return _asked(
        "regex-in-order",
        f"words with {first} and later {second}",
        rf"\w*{first}\w*{second}\w*",
        (first, second),
    )


def _without(rng: random.Random) -> Question:
    first, second = rng.sample(_LETTERS, 2)
    return _asked(
        "regex-without",
        f"words without {first} and {second}",
        rf"\b[^\W{first}{second}]+\b",
        (first, second),
    )


def _range(rng: random.Random) -> Question:
    first, second = sorted(rng.sample(_LETTERS, 2))
    length = rng.randint(3, 7)
    return _asked(
        "regex-range",
        f"words of {length} letters from {first} to {second}",
        rf"\b[{first}-{second}]{{{length}}}\b",
        _LETTERS[_LETTERS.index(first) : _LETTERS.index(second) + 1],
    )


def _length(rng: random.Random) -> Question:
    first, length = rng.choice(_LETTERS), rng.randint(3, 8)
    return _asked(
        "regex-length",
        f"words of {length} letters starting with {first}",
        rf"\b{first}\w{{{length - 1}}}\b",
        (first,),
    )


REGEX = Skill(
    "regex",
    type="python",
    shared=(),
    own=(_starting, _ending, _both_ends, _in_order, _without, _range, _length),
)
