"""Changes of an existing run: which the API server stores, and which it refuses with what words."""

from __future__ import annotations

from typing import Final, NamedTuple

from tests.manifest.documents import REMOVE, Edit

_EXPERT: Final = {"name": "maths", "uri": "s3://models/maths"}
_TASK: Final = {
    "name": "maths",
    "type": "exact",
    "items": {"search": "s3://items/maths-search.jsonl", "test": "s3://items/maths-test.jsonl"},
}


class Refused(NamedTuple):
    """A change that the API server refuses.

    Attributes:
        edit: of the valid document.
        path: field that the answer names.
        said: another part of the answer.
    """

    edit: Edit
    path: str
    said: str


FREE: Final[list[Edit]] = [
    {"spec.suspend": True},
    {"spec.evolution.generations": 21},
    {"spec.evolution.maxFailedCandidates": 0},
    {"spec.goal": REMOVE},
    {"spec.goal.value": "0.9"},
    {"spec.goal": {"metric": "QDScore", "value": "12.5"}},
    {"spec.activeDeadlineSeconds": 3600},
    {"spec.ttlSecondsAfterFinished": 0},
    {"spec.workers.replicas": 8},
    {"spec.workers.mode": "Generation"},
    {"spec.workers.queueName": "gpu"},
    {"spec.workers.image": "registry.example.org/worker@sha256:1"},
    {"spec.workers.maxFailedPods": 0},
    {"spec.workers.template": REMOVE},
    {"spec.workers.template.spec.nodeSelector": {"gpu": "h100"}},
    {"spec.coordinator": {"image": "example.org/worker", "template": {"spec": {}}}},
    {"spec.serviceAccountAnnotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/x"}},
    {"spec.tracking": {"mlflow": {"uri": "http://mlflow:5000", "experiment": "agents"}}},
    {"spec.storage.s3.credentialsSecretRef.name": "rotated"},
    {"spec.storage.s3.credentialsSecretRef": REMOVE},
    {"spec.storage.s3.caBundleRef": REMOVE},
    {"spec.storage.s3.addressingStyle": "Virtual"},
    {"spec.storage.s3.checksums": "WhenRequired"},
    {"spec.tasks[0].items.search": "s3://items/other-search.jsonl"},
    {"spec.tasks[1].items": {"search": "s3://items/1.jsonl", "test": "s3://items/2.jsonl"}},
    {"metadata.labels": {"team": "agents"}},
    {"spec.evaluation.sandbox": "Require"},
    {"spec.tasks[1].retired": True},
    {"spec.experts[1].retired": True},
]
"""Always accepted; the coordinator continues with them."""

APPENDED: Final[list[Edit]] = [
    {"spec.experts[+]": _EXPERT},
    {"spec.tasks[+]": _TASK},
    {
        "spec.experts[+]": _EXPERT,
        "spec.curriculum": [{"generation": 9, "experts": ["maths"]}],
    },
]
"""Accepted until the run has begun."""

DECISIVE: Final = [
    Refused({"spec.seed": 8}, "spec.seed", "is immutable"),
    Refused({"spec.seed": REMOVE}, "spec.seed", "is immutable"),
    Refused({"spec.base.uri": "s3://models/other"}, "spec.base", "is immutable"),
    Refused({"spec.experts[0].uri": "s3://models/o"}, "spec.experts[0]", "is immutable"),
    Refused({"spec.experts[0].name": "other"}, "spec.experts", "is append-only"),
    Refused({"spec.experts[1]": REMOVE}, "spec.experts", "is append-only"),
    Refused({"spec.experts[0]": _EXPERT}, "spec.experts", "is append-only"),
    Refused({"spec.tasks[0].type": "exact"}, "spec.tasks[0]", "is immutable but for items"),
    Refused({"spec.tasks[0].maxNewTokens": 65}, "spec.tasks[0]", "is immutable"),
    Refused({"spec.tasks[0].stop": REMOVE}, "spec.tasks[0]", "is immutable"),
    Refused({"spec.tasks[1].bounds": REMOVE}, "spec.tasks[1]", "is immutable"),
    Refused({"spec.tasks[2].expert": REMOVE}, "spec.tasks[2]", "is immutable"),
    Refused({"spec.tasks[0].expert": "python"}, "spec.tasks[0]", "is immutable"),
    Refused({"spec.tasks[2]": REMOVE}, "spec.tasks", "is append-only"),
    Refused({"spec.archive.bins": 16}, "spec.archive", "is immutable"),
    Refused({"spec.evolution.generations": 19}, "spec.evolution.generations", "only be raised"),
    Refused({"spec.evolution.strategy": "UniformMerge"}, "evolution.strategy", "is immutable"),
    Refused({"spec.evolution.candidatesPerGeneration": 9}, "PerGeneration", "is immutable"),
    Refused({"spec.evolution.cycleInterval": 2}, "evolution.cycleInterval", "is immutable"),
    Refused({"spec.evolution.pipelineDepth": 1}, "evolution.pipelineDepth", "is immutable"),
    Refused({"spec.evolution.selection.low": "0.4"}, "evolution.selection", "is immutable"),
    Refused({"spec.evolution.crossover": REMOVE}, "evolution.crossover", "is immutable"),
    Refused({"spec.evolution.mutation.rank": REMOVE}, "evolution.mutation", "is immutable"),
    Refused({"spec.evolution.aggregate.topPerArchive": 2}, "aggregate", "is immutable"),
    Refused({"spec.evaluation.dtype": "float32"}, "spec.evaluation.dtype", "is immutable"),
    Refused({"spec.workers.threads": 2}, "spec.workers.threads", "is immutable"),
]
"""Refused: other candidates would come of it; the coordinator would refuse them too."""

MOVED: Final = [
    Refused({"spec.storage.uri": "s3://other/runs"}, "spec.storage.uri", "is immutable"),
    Refused({"spec.storage.s3.endpoint": "https://x"}, "spec.storage.s3.endpoint", "is immutable"),
    Refused({"spec.storage.s3.endpoint": REMOVE}, "spec.storage.s3.endpoint", "is immutable"),
    Refused({"spec.storage.s3.region": "eu"}, "spec.storage.s3.region", "is immutable"),
]
"""Refused: the run's objects are not there."""
