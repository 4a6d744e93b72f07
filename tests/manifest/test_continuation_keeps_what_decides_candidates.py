"""A run is continued only by a manifest that gives the same candidates, or more of them."""

from __future__ import annotations

import pytest

from cycleqd.errors import RunMismatch
from cycleqd.manifest.changes import changes, check_continuation, identity
from cycleqd.manifest.reader import parse_manifest

from .documents import VALID, Edit, as_yaml, edited

OLD = parse_manifest(VALID, "run.yaml")

ALLOWED: list[tuple[Edit, list[str]]] = [
    ({}, []),
    ({"spec.evolution.generations": 30}, ["spec.evolution.generations"]),
    ({"spec.evolution.maxFailedCandidates": 0}, ["spec.evolution.maxFailedCandidates"]),
    ({"spec.workers": {"replicas": 3}}, ["spec.workers.replicas"]),
    ({"spec.storage.uri": "s3://other/runs"}, ["spec.storage.uri"]),
    ({"spec.storage.s3.region": "eu"}, ["spec.storage.s3.region"]),
    ({"spec.suspend": True}, ["spec.suspend"]),
    (
        {"spec.goal": {"metric": "BestMean", "value": "0.5"}},
        ["spec.goal.metric", "spec.goal.value"],
    ),
    ({"spec.activeDeadlineSeconds": 9}, ["spec.activeDeadlineSeconds"]),
    ({"spec.ttlSecondsAfterFinished": 0}, ["spec.ttlSecondsAfterFinished"]),
    ({"spec.workers": {"mode": "Generation"}}, ["spec.workers.mode"]),
    ({"spec.coordinator": {"image": "a/b"}}, ["spec.coordinator", "spec.coordinator.image"]),
    (
        {"spec.tracking": {"mlflow": {"uri": "http://mlflow:5000"}}},
        ["spec.tracking.mlflow.uri", "spec.tracking.mlflow.experiment"],
    ),
    ({"metadata.namespace": "team"}, ["metadata.namespace"]),
    ({"spec.evaluation.sandbox": "Require"}, ["spec.evaluation.sandbox"]),
    (
        {"metadata.labels": {"a.b/c": "d"}},
        ["metadata.labels", 'metadata.labels["a.b/c"]'],
    ),
]
REFUSED: list[tuple[Edit, str, str]] = [
    ({"spec.seed": 8}, "spec.seed", "has 7, the manifest says 8; restore the value, or choose"),
    ({"spec.evolution.generations": 19}, "spec.evolution.generations", "write 20 or more"),
    ({"metadata.name": "other"}, "metadata.name", 'has "agents"'),
    ({"spec.workers": {"threads": 2}}, "spec.workers.threads", "has 1"),
    ({"spec.tasks[1].bounds.min": "0.2"}, "spec.tasks[1].bounds.min", 'has "0.1"'),
    ({"spec.evolution.mutation.rank": 8}, "spec.evolution.mutation.rank", "has 16"),
    (
        {"spec.tasks[0].bounds": {"min": "0.1", "max": "1.0"}},
        "spec.tasks[0].bounds.min",
        "has nothing",
    ),
    (
        {"spec.evolution.pipelineDepth": 1},
        "spec.evolution.pipelineDepth",
        "another --store for a new run",
    ),
]


@pytest.mark.parametrize(("edit", "paths"), ALLOWED)
def test_what_may_change(edit: Edit, paths: list[str]) -> None:
    new = parse_manifest(as_yaml(edited(edit)), "run.yaml")
    assert changes(OLD, new) == paths
    check_continuation(OLD, new)


@pytest.mark.parametrize("edit", [edit for edit, _ in ALLOWED])
def test_only_what_belongs_to_the_run_is_its_identity(edit: Edit) -> None:
    new = parse_manifest(as_yaml(edited(edit)), "run.yaml")
    whole = {"spec.evolution.generations", "spec.evolution.maxFailedCandidates"}
    same = (whole | {"spec.evaluation.sandbox"}).isdisjoint(edit)
    assert (identity(new) == identity(OLD)) is same


@pytest.mark.parametrize("decimal", ["0.10", "0.1000"])
def test_another_spelling_of_a_number_is_no_change(decimal: str) -> None:
    new = parse_manifest(as_yaml(edited({"spec.tasks[1].bounds.min": decimal})), "run.yaml")
    assert changes(OLD, new) == []


@pytest.mark.parametrize(("edit", "path", "said"), REFUSED)
def test_what_may_not(edit: Edit, path: str, said: str) -> None:
    new = parse_manifest(as_yaml(edited(edit)), "run.yaml")
    assert path in changes(OLD, new)
    with pytest.raises(RunMismatch) as caught:
        check_continuation(OLD, new)
    first = str(caught.value).splitlines()[0]
    assert first.startswith(f"{path}: ")
    assert said in first


def test_all_mismatches_are_named() -> None:
    edit = {"spec.seed": 1, "spec.archive": {"bins": 3}, "spec.workers": {"replicas": 9}}
    new = parse_manifest(as_yaml(edited(edit)), "run.yaml")
    with pytest.raises(RunMismatch) as caught:
        check_continuation(OLD, new)
    assert [line.split(": ")[0] for line in str(caught.value).splitlines()] == [
        "spec.seed",
        "spec.archive.bins",
    ]
