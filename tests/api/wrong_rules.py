"""Wrong manifests that break a rule between fields or name a place that no pod can reach."""

from __future__ import annotations

from typing import Any, Final

from tests.manifest.documents import REMOVE, Edit

from .wrong_fields import Wrong

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

WRONG_RULES: Final = [*_BETWEEN, *_PLACES]
