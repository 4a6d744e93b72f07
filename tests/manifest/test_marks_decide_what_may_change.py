"""What a run's identity, its revisions and its end depend on follows from the marks at the fields.

The lists below were written by hand when stores of format 1 were made: a mark that changes one of
them changes what existing runs are named by, or what they may be continued with.
"""

from __future__ import annotations

import pytest

from cycleqd.manifest.changes import concerns_pods_only, identity, mark_of, marks, spec_fields
from cycleqd.manifest.mutability import DECISIVE, NOT_MENDING, NOT_MORE, Change
from cycleqd.manifest.reader import parse_manifest
from cycleqd.manifest.registry import STRATEGIES

from .documents import VALID

IDENTITY = {"archive", "base", "evaluation", "evolution", "experts", "seed", "tasks"}

MARKED_DECISIVE = {
    "apiVersion",
    "kind",
    "metadata.name",
    "spec.seed",
    "spec.base",
    "spec.experts",
    "spec.tasks",
    "spec.curriculum",
    "spec.archive",
    *(
        f"spec.evaluation.{field}"
        for field in (
            "engine",
            "dtype",
            "maxModelLen",
            "gpuMemoryUtilization",
            "memoryLimitMib",
        )
    ),
    "spec.workers.threads",
    *(
        f"spec.evolution.{field}"
        for field in (
            "preset",
            "strategy",
            "generations",
            "candidatesPerGeneration",
            "cycleInterval",
            "pipelineDepth",
            "selection",
            "start",
            "crossover",
            "mutation",
            "tune",
            "race",
            "aggregate",
            *STRATEGIES.members.values(),
        )
    ),
}

PODS_ONLY = {
    "metadata.annotations",
    "metadata.labels",
    "metadata.namespace",
    "spec.activeDeadlineSeconds",
    "spec.coordinator",
    "spec.serviceAccountAnnotations",
    "spec.suspend",
    "spec.tracking",
    "spec.ttlSecondsAfterFinished",
    "spec.workers",
}


def _outermost(paths: set[str]) -> set[str]:
    """The paths without those below another of them."""
    return {p for p in paths if not any(p.startswith((f"{o}.", f"{o}[]")) for o in paths)}


def test_identity_is_made_of_the_same_fields_of_the_spec() -> None:
    assert set(identity(parse_manifest(VALID, "run.yaml"))) == IDENTITY


def test_the_same_fields_are_decisive() -> None:
    mixed = {"metadata", "spec", "spec.evaluation", "spec.evolution"}
    decisive = {path for path, mark in marks().items() if mark in DECISIVE} - mixed
    assert _outermost(decisive) == MARKED_DECISIVE


def test_only_generations_are_raised_and_only_lists_appended_to() -> None:
    assert [p for p, mark in marks().items() if mark is Change.RAISED] == [
        "spec.evolution.generations"
    ]
    assert [p for p, mark in marks().items() if mark is Change.APPENDED] == [
        "spec.experts",
        "spec.tasks",
        "spec.curriculum",
    ]


def test_the_same_fields_make_no_revision() -> None:
    assert _outermost({path for path in marks() if concerns_pods_only(path)}) == PODS_ONLY


def test_the_same_fields_ask_an_ended_run_for_nothing() -> None:
    housekeeping = {"suspend", "tracking", "ttl_seconds_after_finished"}
    assert spec_fields(NOT_MENDING) == housekeeping
    assert spec_fields(NOT_MORE) == housekeeping | {
        "active_deadline_seconds",
        "coordinator",
        "service_account_annotations",
        "storage",
        "workers",
    }


@pytest.mark.parametrize(
    ("path", "mark"),
    [
        ('metadata.labels["a.b/c"]', Change.PODS),
        ("spec.tasks[1].bounds.min", Change.APPENDED),
        ("spec.tasks[1].items.search", Change.RENEWED),
        ("spec.tasks[12].items.testLimit", Change.RENEWED),
        ("spec.tasks[1].retired", Change.SET),
        ("spec.evolution.mutation.rank", Change.FIXED),
        ("spec.storage.s3.endpoint", Change.PLACE),
        ("spec.storage.s3.checksums", Change.ACCESS),
        ('spec.workers.template.spec.nodeSelector["gpu"]', Change.PODS),
        ("spec.workers.threads", Change.FIXED),
        ("spec.goal.value", Change.FREE),
        ("spec.tracking.mlflow.uri", Change.HOUSEKEEPING),
        ("spec.evaluation.sandbox", Change.ACCESS),
    ],
)
def test_a_path_has_the_mark_of_the_nearest_field(path: str, mark: Change) -> None:
    assert mark_of(path) is mark
