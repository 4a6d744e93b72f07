"""What a run is from a step of its curriculum on is its manifest without all who come later."""

from __future__ import annotations

from typing import Any

import pytest

from cycleqd.errors import InputError
from cycleqd.manifest.curriculum import Arrival, arrivals
from cycleqd.manifest.model import Manifest
from cycleqd.manifest.reader import parse_manifest
from cycleqd.manifest.schema import canonical

from .documents import as_yaml, edited

NUMBERS = {"search": "data/maths-search.jsonl", "test": "data/maths-test.jsonl"}
MATHS_EXPERT = {"name": "maths", "uri": "models/maths"}
MATHS_TASK = {"name": "maths", "type": "exact", "items": NUMBERS}
SHELL = {"generation": 5, "experts": ["shell"], "tasks": ["bash"]}
MATHS = {"generation": 9, "experts": ["maths"], "tasks": ["maths"]}
LONGER = {"spec.experts[+]": MATHS_EXPERT, "spec.tasks[+]": MATHS_TASK}


def manifest(edit: dict[str, Any]) -> Manifest:
    return parse_manifest(as_yaml(edited(edit)), "run.yaml")


def names(arrived: list[Arrival]) -> list[tuple[int | None, list[str], list[str]]]:
    return [
        (
            arrival.generation,
            [expert.name for expert in arrival.manifest.spec.experts],
            [task.name for task in arrival.manifest.spec.tasks],
        )
        for arrival in arrived
    ]


def test_a_manifest_without_one_is_all_there_from_the_beginning() -> None:
    (only,) = arrivals(manifest({}))
    assert only == Arrival(manifest({}))
    assert "curriculum" not in canonical(only.manifest)["spec"]


def test_each_step_is_the_manifest_without_those_who_come_later() -> None:
    asked = manifest({**LONGER, "spec.curriculum": [SHELL, MATHS]})
    first, second, third = arrivals(asked)
    assert names([first, second, third]) == [
        (None, ["python", "sql"], ["python", "sql"]),
        (5, ["python", "sql", "shell"], ["python", "sql", "bash"]),
        (9, ["python", "sql", "shell", "maths"], ["python", "sql", "bash", "maths"]),
    ]
    assert "curriculum" not in canonical(first.manifest)["spec"]
    assert [len(each.manifest.spec.curriculum) for each in (second, third)] == [1, 2]
    assert third.manifest == asked
    for each in (first, second, third):
        parse_manifest(as_yaml(canonical(each.manifest)), "run.yaml")


def test_a_run_that_has_begun_takes_new_steps_alone() -> None:
    begun = manifest({"spec.curriculum": [SHELL]})
    asked = manifest({**LONGER, "spec.curriculum": [SHELL, MATHS]})
    (only,) = arrivals(asked, begun.spec)
    assert (only.generation, only.manifest) == (9, asked)
    assert arrivals(begun, begun.spec) == []


def test_who_is_in_no_step_joins_before_those_who_are() -> None:
    first, second = arrivals(
        manifest({**LONGER, "spec.curriculum": [MATHS]}),
        arrivals(manifest({"spec.curriculum": [SHELL]}))[0].manifest.spec,
    )
    assert names([first, second])[0] == (
        None,
        ["python", "sql", "shell"],
        ["python", "sql", "bash"],
    )
    assert second.generation == 9


def test_who_is_in_no_step_stands_before_those_who_are() -> None:
    edit = {**LONGER, "spec.curriculum": [SHELL]}
    with pytest.raises(InputError) as refused:
        arrivals(manifest(edit))
    expert, task = str(refused.value).splitlines()
    assert expert == (
        "spec.experts[3].name: no step of spec.curriculum names maths, who so comes before shell, "
        "yet stands behind; write maths before shell, or name it in a step"
    )
    assert task.startswith("spec.tasks[3].name: no step of spec.curriculum names maths, who so")
    begun = manifest({"spec.curriculum": [SHELL]})
    assert names(arrivals(manifest(edit), begun.spec))[0][0] is None


def test_who_is_in_the_run_cannot_join_again() -> None:
    with pytest.raises(InputError, match=r"^spec.curriculum\[0\].experts\[0\]: shell is in"):
        arrivals(manifest({"spec.curriculum": [SHELL]}), manifest({}).spec)
