"""The JSON skill, which joins later: facts in plain words as one line of JSON, compared as text."""

from __future__ import annotations

import json
import random

from cycleqd.demo.questions import Question, Skill
from cycleqd.demo.staff import DEPARTMENTS, NAMES


def _asked(template: str, text: str, value: object) -> Question:
    answer = json.dumps(value)
    return Question(f"json-{template}", f"{text}\n```json\n", answer, lambda: {"answer": answer})


def _person(rng: random.Random) -> Question:
    name, age, dept = rng.choice(NAMES), rng.randint(18, 79), rng.choice(DEPARTMENTS)
    value = {"name": name, "age": age, "dept": dept}
    return _asked("person", f"{name} of {dept} is {age}", value)


def _pay(rng: random.Random) -> Question:
    name, pay = rng.choice(NAMES), 10 * rng.randint(10, 99)
    return _asked("pay", f"{name} has a pay of {pay}", {name: {"pay": pay}})


def _names(rng: random.Random) -> Question:
    names, dept = rng.sample(NAMES, rng.randint(2, 3)), rng.choice(DEPARTMENTS)
    return _asked("names", f"{', '.join(names)} are in {dept}", {dept: names})


def _ages(rng: random.Random) -> Question:
    names = rng.sample(NAMES, 2)
    ages = [rng.randint(18, 79) for _ in names]
    told = " and ".join(f"{name} is {age}" for name, age in zip(names, ages, strict=True))
    people = [{"name": name, "age": age} for name, age in zip(names, ages, strict=True)]
    return _asked("ages", told, people)


def _unknown(rng: random.Random) -> Question:
    name, age = rng.choice(NAMES), rng.randint(18, 79)
    value = {"name": name, "age": age, "dept": None}
    return _asked("unknown", f"{name} of nowhere is {age}", value)


def _moved(rng: random.Random) -> Question:
    name = rng.choice(NAMES)
    before, after = rng.sample(DEPARTMENTS, 2)
    value = {"name": name, "from": before, "to": after}
    return _asked("moved", f"{name} went from {before} to {after}", value)


JSON = Skill(
    "json",
    type="exact",
    shared=(),
    own=(_person, _pay, _names, _ages, _unknown, _moved),
)
