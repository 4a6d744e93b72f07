"""Wrong manifests whose fields are missing, unknown, of another type or out of range."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from tests.manifest.documents import REMOVE, Edit, edited

from .documents import VALID


class Wrong(NamedTuple):
    """A fault and what must be said of it.

    Attributes:
        fault: what the user did.
        edit: of the valid document.
        path: field that the answer names.
        said: another part of the answer.
    """

    fault: str
    edit: Edit
    path: str
    said: str

    def document(self) -> dict[str, Any]:
        """The wrong manifest, under a name of its own unless the name is the fault."""
        document = edited(self.edit, VALID)
        if not any(path.startswith("metadata") for path in self.edit):
            document["metadata"]["name"] = "wrong-" + self.fault.lower().replace(" ", "-")[:34]
        return document


_SHAPES: Final = [
    Wrong("no base", {"spec.base": REMOVE}, "spec.base", "Required value"),
    Wrong("null uri", {"spec.base.uri": None}, "spec.base.uri", "Required value"),
    Wrong("no type", {"spec.tasks[0].type": REMOVE}, "spec.tasks[0].type", "Required value"),
    Wrong("no spec", {"spec": REMOVE}, "spec", "Required value"),
    Wrong("no experts", {"spec.experts": REMOVE}, "spec.experts", "Required value"),
    Wrong("no tasks", {"spec.tasks": REMOVE}, "spec.tasks", "Required value"),
    Wrong("no storage", {"spec.storage": REMOVE}, "spec.storage", "Required value"),
    Wrong("no store", {"spec.storage.uri": REMOVE}, "spec.storage.uri", "Required value"),
    Wrong("no test items", {"spec.tasks[1].items.test": REMOVE}, "items.test", "Required value"),
    Wrong("half of bounds", {"spec.tasks[1].bounds.max": REMOVE}, "bounds.max", "Required value"),
    Wrong("goal without value", {"spec.goal.value": REMOVE}, "spec.goal.value", "Required value"),
    Wrong("typo", {"spec.tsaks": 1}, "spec.tsaks", "unknown field"),
    Wrong(
        "no pod spec",
        {"spec.workers.template.spec": {f"field{number}": 1 for number in range(65)}},
        "spec.workers.template.spec",
        "at most 64",
    ),
    Wrong("snake case", {"spec.evolution.cycle_interval": 2}, "cycle_interval", "unknown field"),
    Wrong("other level", {"spec.generations": 5}, "spec.generations", "unknown field"),
    Wrong(
        "secret in the manifest",
        {"spec.storage.s3.secretAccessKey": "hunter2"},
        "spec.storage.s3.secretAccessKey",
        "unknown field",
    ),
    Wrong("number as text", {"spec.seed": "7"}, "spec.seed", "must be of type integer"),
    Wrong("fraction", {"spec.evolution.generations": 2.5}, "spec.evolution.generations", "integer"),
    Wrong("text for true", {"spec.suspend": "yes"}, "spec.suspend", "must be of type boolean"),
    Wrong("number for text", {"spec.tasks[0].expert": 5}, "spec.tasks[0].expert", "type string"),
    Wrong("mapping for list", {"spec.experts": {"name": "a"}}, "spec.experts", "unknown field"),
    Wrong("list for mapping", {"spec.archive": [{"bins": 3}]}, "spec.archive[0]", "unknown field"),
    Wrong("text for mapping", {"spec.base": "models/base"}, "spec.base", "type object"),
    Wrong("text for list", {"spec.tasks[0].stop": "#"}, "spec.tasks[0].stop", "type array"),
    Wrong("decimal without quotes", {"spec.archive.lowerMargin": 0.5}, "lowerMargin", "string"),
    Wrong("word for decimal", {"spec.archive.lowerMargin": "most"}, "lowerMargin", "match"),
    Wrong("exponent", {"spec.evolution.crossover.stddev": "1e-2"}, "crossover.stddev", "match"),
    Wrong("no experts in list", {"spec.experts": []}, "spec.experts", "at least 1 items"),
    Wrong("no tasks in list", {"spec.tasks": []}, "spec.tasks", "at least 1 items"),
    Wrong("long list", {"spec.tasks[0].stop": list("abcdefghi")}, "spec.tasks[0].stop", "at most"),
    Wrong("empty stop", {"spec.tasks[0].stop": [""]}, "spec.tasks[0].stop[0]", "at least 1 chars"),
    Wrong("long uri", {"spec.base.uri": "s3://bucket/" + "x" * 1024}, "spec.base.uri", "than 1024"),
]
"""Fields that are missing, unknown or of another type; the schema refuses them."""

_RANGES: Final = [
    Wrong("negative seed", {"spec.seed": -1}, "spec.seed", "greater than or equal to 0"),
    Wrong("huge seed", {"spec.seed": 2**53}, "spec.seed", "less than or equal to 90071992547409"),
    Wrong(
        "no workers", {"spec.workers.replicas": 0}, "spec.workers.replicas", "than or equal to 1"
    ),
    Wrong("no bins", {"spec.archive.bins": 0}, "spec.archive.bins", "greater than or equal to 1"),
    Wrong(
        "bins out of range", {"spec.archive.bins": 1001}, "spec.archive.bins", "than or equal to"
    ),
    Wrong("no generations", {"spec.evolution.generations": 0}, "spec.evolution.generations", "1"),
    Wrong("no time", {"spec.tasks[0].timeoutSeconds": 0}, "spec.tasks[0].timeoutSeconds", "to 1"),
    Wrong("no deadline", {"spec.activeDeadlineSeconds": 0}, "spec.activeDeadlineSeconds", "to 1"),
    Wrong("negative life", {"spec.ttlSecondsAfterFinished": -1}, "ttlSecondsAfterFinished", "to 0"),
    Wrong(
        "percent for fraction",
        {"spec.evaluation.gpuMemoryUtilization": "80"},
        "spec.evaluation.gpuMemoryUtilization",
        "must be a number above 0, at most 1, in quotes",
    ),
    Wrong(
        "share above one",
        {"spec.archive.lowerMargin": "1.01"},
        "spec.archive.lowerMargin",
        "must be a number from 0 to 1, in quotes",
    ),
    Wrong("zero factor", {"spec.evolution.selection.low": "0"}, "selection.low", "above 0"),
    Wrong("goal of nothing", {"spec.goal.value": "0"}, "spec.goal.value", "above 0"),
]
"""Values out of range."""

_CHOICES: Final = [
    Wrong("dot in name", {"metadata.name": "my.run"}, "metadata.name", "at most 40 lower-case"),
    Wrong("long name", {"metadata.name": "a" * 41}, "metadata.name", "at most 40 lower-case"),
    Wrong("capitals in name", {"metadata.name": "MyRun"}, "metadata.name", "RFC 1123"),
    Wrong("task name", {"spec.tasks[0].name": "Python!"}, "spec.tasks[0].name", "should match"),
    Wrong("unknown type", {"spec.tasks[1].type": "pyhton"}, "spec.tasks[1].type", '"python"'),
    Wrong(
        "case of a choice",
        {"spec.evolution.mutation.method": "expert_svd"},
        "spec.evolution.mutation.method",
        "ExpertSVD",
    ),
    Wrong("foreign dtype", {"spec.evaluation.dtype": "int4"}, "spec.evaluation.dtype", "bfloat16"),
    Wrong("unknown mode", {"spec.workers.mode": "Jobs"}, "spec.workers.mode", '"Generation"'),
    Wrong("unknown metric", {"spec.goal.metric": "Mean"}, "spec.goal.metric", '"BestMean"'),
    Wrong("queue name", {"spec.workers.queueName": "GPU Queue"}, "workers.queueName", "match"),
    Wrong(
        "name of a Secret",
        {"spec.storage.s3.credentialsSecretRef.name": "My_Secret"},
        "spec.storage.s3.credentialsSecretRef.name",
        "should match",
    ),
    Wrong(
        "label of a pod",
        {"spec.workers.template.metadata.labels": {"team": "a b"}},
        "spec.workers.template.metadata.labels.team",
        "should match",
    ),
    Wrong("other kind", {"kind": "CycleQdRun"}, "CycleQdRun", "no matches for kind"),
    Wrong("other version", {"apiVersion": "cycleqd.io/v1"}, "cycleqd.io/v1", "no matches for kind"),
]
"""Names and enumerations."""

WRONG_FIELDS: Final = [*_SHAPES, *_RANGES, *_CHOICES]
