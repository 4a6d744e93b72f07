"""A run of three experts and three tasks, and results as workers would store them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cycleqd.evolution.genome import Genome, expert_genome
from cycleqd.evolution.search import Commit, first_commit, tell
from cycleqd.manifest.model import Spec
from cycleqd.records import keys
from cycleqd.records.documents import Failure, ResultDocument, Telemetry
from tests.evolution.dense import small_layout

LAYOUT = small_layout()
# Neither experts nor tasks in alphabetic order, and the orders differ.
TASKS = ("sql", "code", "bash")


def spec(
    *,
    seed: int = 0,
    archive: dict[str, Any] | None = None,
    tasks: tuple[dict[str, Any], ...] | None = None,
    **evolution: object,
) -> Spec:
    """A manifest's spec; ``evolution`` in document spelling."""
    items = {"search": "s.jsonl", "test": "t.jsonl"}
    return Spec.model_validate(
        {
            "seed": seed,
            "base": {"uri": "base"},
            "experts": tuple({"name": name, "uri": name} for name in LAYOUT.experts),
            "tasks": tasks or tuple({"name": t, "type": "exact", "items": items} for t in TASKS),
            "archive": archive or {},
            "evolution": evolution,
        }
    )


def result(
    entry: int,
    candidate: str,
    scores: Sequence[float],
    *,
    failure: str | None = None,
    outcomes: dict[str, str] | None = None,
) -> ResultDocument:
    return ResultDocument(
        entry=entry,
        candidate=candidate,
        scores={} if failure else dict(zip(TASKS, scores, strict=True)),
        outcomes=outcomes or {},
        failure=None if failure is None else Failure(cause="Broken", message=failure),
        telemetry=Telemetry(worker=entry % 3, host="h", seconds=1.5),
    )


def expert_results() -> list[ResultDocument]:
    rows = {"a": (0.8, 0.2, 0.1), "b": (0.1, 0.7, 0.2), "c": (0.2, 0.1, 0.6)}
    return [result(n, keys.expert(e), row) for n, (e, row) in enumerate(rows.items())]


def child_results(generation: int, count: int = 8) -> list[ResultDocument]:
    """Scores of candidates that no expert equals, the same for a generation every time."""
    random = np.random.default_rng(generation)
    first = (generation - 1) * count
    return [
        result(n, keys.child(first + n), tuple(np.round(random.random(3) * 50) / 50))
        for n in range(count)
    ]


def commits(generations: int, run: Spec | None = None) -> list[Commit]:
    made = [first_commit(run or spec(), expert_results())]
    for generation in range(1, generations + 1):
        made.append(tell(made[-1], child_results(generation), limit=10))
    return made


def genome_of(candidate: str) -> Genome:
    """Some genome for every id."""
    if candidate.startswith("expert-"):
        return expert_genome(LAYOUT, candidate.removeprefix("expert-"))
    random = np.random.default_rng(int(candidate.removeprefix("c")))
    gain = random.normal(scale=0.1, size=(3, LAYOUT.directions)).astype(np.float32)
    return Genome(LAYOUT, random.random((3, 5), np.float32), gain)
