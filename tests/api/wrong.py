"""Wrong manifests, each a small edit of one that a cluster accepts, with what its API server says.

``KUBECONFIG=... python -m tests.api.wrong`` applies them and prints every answer; the custom
resource definition must be installed there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
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


_GAUSSIAN: Final = {"spec.evolution.mutation": {"method": "Gaussian"}}
_E: Final = "spec.experts[0]"
_MEMBER: Final = {"spec.experts[0].uri": REMOVE, "spec.experts[0].member": "c000001"}
_TWICE: Final = {"spec.experts[1].uri": REMOVE, "spec.experts[1].member": "c000001"}
_CHAT: Final = {"spec.tasks[0].chat": True, "spec.tasks[0].chatTemplateFrom": "python"}
_UNIFORM: Final = {"method": "Uniform", "high": "0.9"}


def _step(generation: int, expert: str) -> dict[str, Any]:
    return {"generation": generation, "experts": [expert]}


def _steps(*steps: dict[str, Any]) -> Edit:
    return {"spec.curriculum": list(steps)}


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

_BETWEEN: Final = [
    Wrong("empty step", _steps({"generation": 5}), "spec.curriculum[0]", "lets nobody join"),
    Wrong("unknown in a step", _steps(_step(5, "x")), "spec.curriculum", "names of spec.experts"),
    Wrong("late step", _steps(_step(20, "shell")), "spec.curriculum", "generation of each step"),
    Wrong("steps back", _steps(_step(5, "sql"), _step(4, "shell")), "curriculum", "in the order"),
    Wrong("two tasks of one name", {"spec.tasks[2].name": "sql"}, "spec.tasks[2]", "Duplicate"),
    Wrong(
        "two experts of one name", {"spec.experts[1].name": "shell"}, "spec.experts", "Duplicate"
    ),
    Wrong(
        "reserved name",
        {"spec.experts[0].name": "base"},
        "spec.experts[0].name",
        "must not be base, aggregate, uniform-merge",
    ),
    Wrong("no uri", {"spec.experts[0].uri": REMOVE}, "spec.experts[0].uri", "either a uri or"),
    Wrong("uri and member", {f"{_E}.member": "c000001"}, f"{_E}.uri", "either a uri or"),
    Wrong("role as member", _MEMBER | {f"{_E}.member": "best"}, f"{_E}.member", "id of a candid"),
    Wrong("rows of a member", _MEMBER | {f"{_E}.vocabulary": "Base"}, f"{_E}.vocab", "no effect"),
    Wrong("two of one member", _MEMBER | _TWICE, "spec.experts", "must be another for each"),
    Wrong("template of a member", _MEMBER | _CHAT, "spec.tasks", "must not name a member"),
    Wrong(
        "nobody left",
        {f"spec.experts[{n}].retired": True for n in range(3)},
        "spec.experts",
        "must not all be retired",
    ),
    Wrong(
        "all retired",
        {f"spec.tasks[{n}].retired": True for n in range(3)},
        "spec.tasks",
        "must not all be retired",
    ),
    Wrong("unknown expert", {"spec.tasks[2].expert": "shel"}, "spec.tasks", "one of spec.experts"),
    Wrong(
        "template of an unknown expert",
        {"spec.tasks[2].chat": True, "spec.tasks[2].chatTemplateFrom": "shel"},
        "spec.tasks",
        "chatTemplateFrom of each task must be the name of one of spec.experts",
    ),
    Wrong(
        "template without chat",
        {"spec.tasks[2].chatTemplateFrom": "shell"},
        "spec.tasks[2].chatTemplateFrom",
        "has no effect without chat",
    ),
    Wrong(
        "system message without chat",
        {"spec.tasks[0].systemMessage": "Be brief."},
        "spec.tasks[0].systemMessage",
        "has no effect without chat",
    ),
    Wrong(
        "base as expert",
        {"spec.experts[0].uri": "s3://models/base"},
        "spec.experts",
        "uri of an expert must not be that of spec.base",
    ),
    Wrong(
        "one checkpoint twice",
        {"spec.experts[1].uri": "s3://models/python"},
        "spec.experts",
        "uri must be another for each expert",
    ),
    Wrong(
        "test is search",
        {"spec.tasks[0].items.test": "s3://items/sql-search.jsonl"},
        "spec.tasks",
        "items.test of a task must not be items.search",
    ),
    Wrong(
        "bounds reversed",
        {"spec.tasks[1].bounds": {"min": "0.9", "max": "0.10"}},
        "spec.tasks[1].bounds.min",
        "must be below max",
    ),
    Wrong(
        "factors reversed",
        {"spec.evolution.selection.low": "0.9"},
        "spec.evolution.selection.low",
        "must not be above high",
    ),
    Wrong(
        "factor without effect",
        {"spec.evolution.selection": _UNIFORM},
        "spec.evolution.selection.high",
        "has no effect with method Uniform",
    ),
    Wrong(
        "rank without effect",
        {"spec.evolution.mutation": {"method": "None", "rank": 4}},
        "spec.evolution.mutation.rank",
        "has no effect with method None",
    ),
    Wrong(
        "members without effect",
        {"spec.evolution.aggregate": {"members": 5}},
        "spec.evolution.aggregate.members",
        "has no effect with method Softmax",
    ),
    Wrong(
        "elites of an archive without effect",
        {"spec.evolution.aggregate": {"method": "Front", "topPerArchive": 2}},
        "spec.evolution.aggregate.topPerArchive",
        "has no effect with method Front",
    ),
    Wrong(
        "stddev without effect",
        {"spec.evolution.mutation.stddev": "0.1"},
        "spec.evolution.mutation.stddev",
        "has no effect with method ExpertSVD",
    ),
    Wrong(
        "time limit without effect",
        {"spec.tasks[0].type": "exact", "spec.tasks[0].timeoutSeconds": 9},
        "spec.tasks[0].timeoutSeconds",
        "has no effect with type exact",
    ),
    Wrong(
        "nothing to tune by",
        {"spec.evolution.strategy": "TunedScalar"},
        "spec.evolution.tune",
        "must be there, strategy TunedScalar needs it to train every candidate after the grid",
    ),
    Wrong(
        "grid without effect",
        {
            "spec.evolution.strategy": "TunedScalar",
            "spec.evolution.tune": {},
            "spec.evolution.tunedScalar": {"grid": 4, "factor": "0"},
        },
        "spec.evolution.tunedScalar.grid",
        "has no effect with factor",
    ),
    Wrong("noise with blocks", _GAUSSIAN, "spec.evolution.crossover", "Block or Tensor cannot"),
    Wrong(
        "no room for a prompt",
        {"spec.tasks[0].maxNewTokens": 512},
        "spec.tasks",
        "maxNewTokens of each task must be below spec.evaluation.maxModelLen",
    ),
    Wrong(
        "deeper than long",
        {"spec.evolution.pipelineDepth": 21},
        "spec.evolution.pipelineDepth",
        "must not be more than generations",
    ),
    Wrong("goal out of reach", {"spec.goal.value": "80"}, "spec.goal.value", "at most 1 with"),
    Wrong(
        "two sources of authorities",
        {"spec.storage.s3.caBundle": "/mnt/ca.pem"},
        "spec.storage.s3.caBundleRef",
        "must not stand beside caBundle",
    ),
]
"""Rules between fields."""

_PLACES: Final = [
    Wrong("folder as store", {"spec.storage.uri": "/runs"}, "spec.storage.uri", "s3://bucket/pre"),
    Wrong(
        "no bucket", {"spec.storage.uri": "s3:///runs"}, "spec.storage.uri", "s3://bucket/prefix"
    ),
    Wrong(
        "relative base", {"spec.base.uri": "models/base"}, "spec.base.uri", "must be s3://bucket"
    ),
    Wrong("other scheme", {"spec.base.uri": "gs://bucket/base"}, "spec.base.uri", "hf://org/name"),
    Wrong("half a hub name", {"spec.base.uri": "hf://model"}, "spec.base.uri", "hf://org/name"),
    Wrong(
        "relative expert",
        {"spec.experts[0].uri": "./python"},
        "spec.experts[0].uri",
        "absolute path of a folder on a volume",
    ),
    Wrong(
        "items on the hub",
        {"spec.tasks[0].items.search": "hf://org/data"},
        "spec.tasks[0].items.search",
        "must be s3://bucket/key",
    ),
    Wrong(
        "relative items",
        {"spec.tasks[0].items.test": "data/test.jsonl"},
        "spec.tasks[0].items.test",
        "absolute path of a file on a volume",
    ),
    Wrong(
        "credentials in the store",
        {"spec.storage.uri": "s3://AKIA:hunter2@bucket/runs"},
        "spec.storage.uri",
        "must not hold credentials",
    ),
    Wrong(
        "signed URI",
        {"spec.base.uri": "s3://bucket/base?X-Amz-Signature=hunter2"},
        "spec.base.uri",
        "must not hold credentials",
    ),
    Wrong(
        "credentials in the endpoint",
        {"spec.storage.s3.endpoint": "https://me:hunter2@s3.example.org"},
        "spec.storage.s3.endpoint",
        "must not hold credentials",
    ),
    Wrong(
        "endpoint without scheme",
        {"spec.storage.s3.endpoint": "s3.example.org:9000"},
        "spec.storage.s3.endpoint",
        "must be https://host or http://host:port",
    ),
    Wrong(
        "relative authorities",
        {"spec.storage.s3.caBundle": "ca.pem", "spec.storage.s3.caBundleRef": REMOVE},
        "spec.storage.s3.caBundle",
        "caBundleRef is simpler",
    ),
]
"""What a pod cannot reach, and what must not be written down."""

WRONG: Final = [*_SHAPES, *_RANGES, *_CHOICES, *_BETWEEN, *_PLACES]


def main() -> int:
    """Apply every wrong manifest and print what is said; the exit status is 1 if one is stored."""
    stored = 0
    for number, wrong in enumerate(WRONG, start=1):
        # Not as a List, which kubectl would check itself, before the server and in other words.
        done = subprocess.run(
            [os.environ.get("KUBECTL", "kubectl"), "apply", "-f", "-"],
            input=json.dumps(wrong.document()),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        stored += done.returncode == 0
        print(f"{number:2}. {wrong.fault} ({wrong.path})")
        for line in (done.stdout + done.stderr).strip().splitlines():
            print(f"      {line}")
    print(f"{len(WRONG) - stored} of {len(WRONG)} wrong manifests refused")
    return 1 if stored else 0


if __name__ == "__main__":
    sys.exit(main())
