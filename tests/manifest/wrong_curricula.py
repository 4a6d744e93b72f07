"""Wrong manifests: curricula whose steps nobody can follow."""

from __future__ import annotations

from typing import Any, Final

from .wrong_fields import Wrong

_STEP: Final = {"generation": 5, "experts": ["shell"], "tasks": ["bash"]}


def _steps(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"spec.curriculum": list(steps)}


WRONG_CURRICULA: Final = [
    Wrong(
        "a step for nobody",
        _steps({"generation": 5}),
        "spec.curriculum[0]",
        "lets nobody join; name experts or tasks, or remove the step",
    ),
    Wrong(
        "a step without a generation",
        _steps({"experts": ["shell"], "tasks": ["bash"]}),
        "spec.curriculum[0].generation",
        "is missing",
    ),
    Wrong(
        "a step in the beginning",
        _steps({**_STEP, "generation": 0}),
        "spec.curriculum[0].generation",
        "1",
    ),
    Wrong(
        "a step for an unknown expert",
        _steps({"generation": 5, "experts": ["shel"]}),
        "spec.curriculum[0].experts[0]",
        'spec.experts has no "shel"; did you mean shell?',
    ),
    Wrong(
        "a step for an unknown task",
        _steps({"generation": 5, "tasks": ["typing"]}),
        "spec.curriculum[0].tasks[0]",
        'spec.tasks has no "typing"; name one of python, sql, bash',
    ),
    Wrong(
        "an expert who joins twice",
        _steps({"generation": 4, "experts": ["shell"]}, {**_STEP, "experts": ["shell"]}),
        "spec.curriculum[1].experts[0]",
        '"shell" joins in spec.curriculum[0].experts[0] already; remove one of the two',
    ),
    Wrong(
        "steps that go back",
        _steps({"generation": 5, "tasks": ["sql"]}, _STEP),
        "spec.curriculum[1].generation",
        "5 is not after spec.curriculum[0].generation = 5; list steps in the order",
    ),
    Wrong(
        "a step after the end",
        _steps({**_STEP, "generation": 20}),
        "spec.curriculum[0].generation",
        "write 19 or less, or raise spec.evolution.generations",
    ),
    Wrong(
        "experts in another order than their steps",
        _steps(
            {"generation": 5, "experts": ["shell"], "tasks": ["bash"]},
            {"generation": 9, "experts": ["sql"]},
        ),
        "spec.curriculum[1].experts[0]",
        '"sql" stands before shell in spec.experts, yet joins after it; list experts in the order',
    ),
    Wrong(
        "nobody at the beginning",
        _steps({"generation": 5, "tasks": ["python", "sql", "bash"]}),
        "spec.curriculum[0].tasks",
        "all tasks join later; leave one without a step, with which the run begins",
    ),
    Wrong(
        "a task before its expert",
        _steps({"generation": 5, "tasks": ["bash"]}, {"generation": 9, "experts": ["shell"]}),
        "spec.curriculum[1]",
        "expert shell joins after the task of spec.tasks[2].expert; let the task join in this step",
    ),
    Wrong(
        "a curriculum that no strategy follows",
        _steps(_STEP)
        | {
            "spec.evolution": {"strategy": "TaskArithmetic", "generations": 20},
        },
        "spec.curriculum[0]",
        "strategy TaskArithmetic cannot take in experts or tasks in the middle of a search",
    ),
]
