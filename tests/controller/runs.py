"""Runs for tests on a real API server: small, valid, with storage that nobody contacts."""

from __future__ import annotations

import json
from typing import Any

from cycleqd.contract.config_maps import PROGRESS
from cycleqd.contract.progress import OpenStage, Progress

Json = dict[str, Any]


def run_document(name: str, namespace: str, **spec: Any) -> Json:
    """A CycleQDRun; `spec` overrides its top-level fields."""
    items = {"search": "s3://items/search.jsonl", "test": "s3://items/test.jsonl"}
    tasks = ("python", "sql")
    return {
        "apiVersion": "cycleqd.io/v1alpha1",
        "kind": "CycleQDRun",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "seed": 1,
            "base": {"uri": "s3://models/base"},
            "experts": [{"name": task, "uri": f"s3://models/{task}"} for task in tasks],
            "tasks": [{"name": task, "type": task, "items": items} for task in tasks],
            "evolution": {"generations": 10},
            "storage": {"uri": "s3://runs/cycleqd"},
            "workers": {"replicas": 2},
            **spec,
        },
    }


def progress_patch(progress: Progress) -> str:
    """The merge patch by which a coordinator reports, as JSON."""
    return json.dumps({"data": {PROGRESS: progress.to_json()}})


def evolving(generation: int, *, depth: int = 2, entries: int = 4, total: int = 10) -> Progress:
    """Progress after a generation was committed, with the next ones planned."""
    stages = tuple(
        OpenStage(stage=f"generations/{number:06}", entries=entries, finished=0)
        for number in range(generation + 1, generation + 1 + depth)
    )
    return Progress(
        phase="Evolving",
        observed_generation=1,
        run_id="run-1",
        store="s3://runs/cycleqd/run",
        generation=generation,
        generations=total,
        stages=stages,
        succeeded=(generation + 1) * entries,
        coverage=min(1.0, 0.01 * (generation + 1)),
        qd_score=0.5 * (generation + 1),
    )
