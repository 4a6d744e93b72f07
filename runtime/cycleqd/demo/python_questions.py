"""The Python skill: one line that defines ``f``, checked by asserts.

Beside the shared staff table (``f(t)`` over rows with attributes) it asks for small functions of a
string ``s`` or of a list of numbers ``x``. The expected values come from the reference answer.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from cycleqd.demo.questions import Question, Skill, Template, data_generator, words
from cycleqd.demo.staff import STAFF_TEMPLATES, StaffQuestion

_WORDS = words(
    "amber bone cedar dough eagle fog grain hill ivory jade knot linen maple north oak pearl "
    "quartz river sand tulip urn velvet willow yarn zinc"
)
_LETTERS = "abcdefghijklmnoprstuvwy"


def _prompt(text: str) -> str:
    return f"{text}\n```python\n"


def _asked(template: str, text: str, argument: str, body: str, number: int = 5) -> Question:
    """A question about a function of ``s`` (words) or ``x`` (numbers around ``number``)."""
    prompt = _prompt(text)

    def fields() -> dict[str, Any]:
        rng = data_generator(prompt)
        cases: list[Any] = []
        for size in (6, 9, 1):
            if argument == "s":
                cases.append(" ".join(rng.choices(_WORDS, k=size)))
            else:
                cases.append([max(0, number + rng.randint(-9, 9)) for _ in range(size)] + [number])
        # The body is our own text of a few lines below, never a model's.
        reference: Callable[[Any], Any] = eval(f"lambda {argument}: {body}")  # noqa: S307
        return {"tests": "\n".join(f"assert f({c!r}) == {reference(c)!r}" for c in cases)}

    return Question(template, prompt, f"def f({argument}): return {body}", fields)


def _staff(ask: Callable[[random.Random], StaffQuestion]) -> Template:
    def template(rng: random.Random) -> Question:
        staff = ask(rng)

        def fields() -> dict[str, Any]:
            rows = ", ".join(f"R({r.name!r}, {r.age}, {r.dept!r}, {r.pay})" for r in staff.rows)
            setup = (
                "from collections import namedtuple\n"
                "R = namedtuple('R', 'name age dept pay')\n"
                f"t = [{rows}]"
            )
            expected = staff.result[0] if staff.single else list(staff.result)
            return {"setup": setup, "tests": f"assert f(t) == {expected!r}"}

        answer = f"def f(t): return {staff.python}"
        return Question(staff.kind, _prompt(staff.text), answer, fields)

    return template


def _longer(rng: random.Random) -> Question:
    count, end = rng.randint(2, 6), rng.choice(_LETTERS)
    return _asked(
        "python-longer",
        f"words of s longer than {count} without {end}",
        "s",
        f"[w for w in s.split() if len(w)>{count} and '{end}' not in w]",
    )


def _letters(rng: random.Random) -> Question:
    old, new = rng.sample(_LETTERS, 2)
    return _asked(
        "python-replace", f"s with {old} turned into {new}", "s", f"s.replace('{old}','{new}')"
    )


def _starting(rng: random.Random) -> Question:
    first, count = rng.choice(_LETTERS), rng.randint(2, 9)
    return _asked(
        "python-starting",
        f"first {count} words of s that have {first}",
        "s",
        f"[w for w in s.split() if '{first}' in w][:{count}]",
    )


def _slice(rng: random.Random) -> Question:
    side, count = rng.choice(("first", "last")), rng.randint(2, 30)
    body = f"s[:{count}]" if side == "first" else f"s[-{count}:]"
    how = rng.choice(("", "upper ", "reversed "))
    body = {"": body, "upper ": f"{body}.upper()", "reversed ": f"{body}[::-1]"}[how]
    return _asked("python-slice", f"{how}{side} {count} letters of s", "s", body)


def _scaled(rng: random.Random) -> Question:
    factor, limit = rng.randint(2, 19), rng.randint(5, 60)
    return _asked(
        "python-scaled",
        f"numbers of x over {limit} times {factor}",
        "x",
        f"[n*{factor} for n in x if n>{limit}]",
        limit,
    )


def _divisible(rng: random.Random) -> Question:
    divisor, limit = rng.randint(2, 9), rng.randint(5, 60)
    return _asked(
        "python-divisible",
        f"how many of x under {limit} divide by {divisor}",
        "x",
        f"sum(n<{limit} and n%{divisor}==0 for n in x)",
        limit,
    )


def _capped(rng: random.Random) -> Question:
    limit = rng.randint(5, 99)
    how, name = rng.choice((("at most", "min"), ("at least", "max")))
    return _asked(
        "python-capped",
        f"x with each number {how} {limit}",
        "x",
        f"[{name}(n,{limit}) for n in x]",
        limit,
    )


def _largest(rng: random.Random) -> Question:
    count, limit = rng.randint(2, 9), rng.randint(5, 60)
    return _asked(
        "python-largest",
        f"{count} largest of x below {limit}",
        "x",
        f"sorted((n for n in x if n<{limit}),reverse=True)[:{count}]",
        limit,
    )


PYTHON = Skill(
    "python",
    type="python",
    shared=tuple(_staff(ask) for ask in STAFF_TEMPLATES),
    own=(_longer, _letters, _starting, _slice, _scaled, _divisible, _capped, _largest),
)
