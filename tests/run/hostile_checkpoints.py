"""Runs one of whose checkpoints is hostile: its base, an expert, or the writer of a task's prompts.

One list for the tests and for ``benchmarks/hostile_checkpoints.py``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.weights.programs import (
    CONFIGURATIONS,
    HONEST,
    REFUSED,
    TEMPLATES,
    TOKENIZERS,
    Role,
    adapter,
    template,
)
from tests.weights.wrong import CASES as WRONG

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True)
class Case:
    """A hostile checkpoint.

    Attributes:
        name: of the case.
        make: damages a good checkpoint.
        role: what it is in its run.
        parts: of the message with which it is refused; None where a run begins.
        honest: whether it is one to compare with.
    """

    name: str
    make: Callable[[Path], None]
    role: Role = "expert"
    parts: tuple[str, ...] | None = None
    honest: bool = False


def _cases() -> list[Case]:
    found = [
        Case("honest expert", lambda folder: None, honest=True),
        Case("honest adapter", adapter(), honest=True),
        Case("honest writer", template(HONEST), "writer", honest=True),
    ]
    found += [
        Case(name.replace("_", " "), make, "expert", parts)
        for name, (make, parts) in {**WRONG, **REFUSED}.items()
    ]
    endless, (text, parts) = next(iter(TEMPLATES.items()))
    found += [
        Case(f"base's template: {endless}", template(text), "base", parts),
        Case(f"expert's template: {endless}", template(text), "expert", parts),
    ]
    found += [
        Case(f"writer's template: {name}", template(text), "writer", parts)
        for name, (text, parts) in TEMPLATES.items()
    ]
    for kinds in (TOKENIZERS, CONFIGURATIONS):
        found += [Case(f"{role}'s {name}", make, role) for name, (make, role) in kinds.items()]
    return found


CASES = _cases()


def lay_out(case: Case, place: Path) -> None:
    """Make a case's checkpoint hostile, and write the manifest ``run.json`` with its items.

    Args:
        case: the case.
        place: holds ``models/base``, ``models/good`` and ``models/hostile``, all of them good.
    """
    models = place / "models"
    template(HONEST)(models / "base")
    case.make(models / ("base" if case.role == "base" else "hostile"))
    for split in ("search", "test"):
        items = [
            {"id": f"{n}", "prompt": f"{split} the cat sat {n}", "answer": "a"} for n in range(4)
        ]
        lines = "".join(f"{json.dumps(item)}\n" for item in items)
        (place / f"{split}.jsonl").write_text(lines)
    task: dict[str, Any] = {
        "name": "exact",
        "type": "exact",
        "items": {"search": "search.jsonl", "test": "test.jsonl"},
        "chat": True,
    }
    if case.role == "writer":
        task["chatTemplateFrom"] = "hostile"
    document = {
        "apiVersion": "cycleqd.io/v1alpha1",
        "kind": "CycleQDRun",
        "metadata": {"name": "hostile"},
        "spec": {
            "base": {"uri": "models/base"},
            "experts": [{"name": n, "uri": f"models/{n}"} for n in ("good", "hostile")],
            "tasks": [task],
            "evaluation": {"engine": "transformers"},
            "evolution": {"generations": 1, "candidatesPerGeneration": 2},
        },
    }
    (place / "run.json").write_text(json.dumps(document))
