"""Faults of fields and faults between fields are told together, one line each."""

from __future__ import annotations

from .documents import REMOVE, as_yaml, edited
from .wrong import problems_of


def test_faults_of_every_kind_are_told_together() -> None:
    problems = problems_of(
        as_yaml(
            edited(
                {
                    "metadata.name": "My Run",
                    "spec.seed": "7",
                    "spec.base.uri": REMOVE,
                    "spec.tasks[0].name": "Python!",
                    "spec.tasks[1].bounds": {"min": "0.9", "max": "0.1"},
                    "spec.tasks[2].expert": "shel",
                    "spec.evolution.generatons": 3,
                    "spec.evolution.selection.low": "0.9",
                    "spec.experts[1].uri": "models/python",
                }
            )
        )
    )
    assert {line.split(": ")[0] for line in problems} == {
        "metadata.name",
        "spec.seed",
        "spec.base.uri",
        "spec.tasks[0].name",
        "spec.tasks[1].bounds",
        "spec.tasks[2].expert",
        "spec.evolution.generatons",
        "spec.evolution.selection",
        "spec.experts[1].uri",
    }
    assert len(problems) == 9
