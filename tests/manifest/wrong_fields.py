"""Wrong manifests: fields that are missing, unknown, of a wrong type, out of range or misnamed."""

from __future__ import annotations

from typing import Final, NamedTuple

from .documents import REMOVE, Edit


class Wrong(NamedTuple):
    """A fault and the problem line it must give.

    Attributes:
        fault: what the user did.
        edit: of the valid document.
        path: field that the line names.
        said: a part of the rest of the line.
    """

    fault: str
    edit: Edit
    path: str
    said: str


WRONG_FIELDS: Final = [
    # Fields that are missing or unknown
    Wrong("no base", {"spec.base": REMOVE}, "spec.base", "is missing; add it with uri"),
    Wrong(
        "no uri",
        {"spec.experts[0].uri": REMOVE},
        "spec.experts[0].uri",
        "is missing; add the expert",
    ),
    Wrong("no type", {"spec.tasks[0].type": REMOVE}, "spec.tasks[0].type", "add one of python,"),
    Wrong("no spec", {"spec": REMOVE}, "spec", "is missing; add it with base, experts, tasks"),
    Wrong("no kind", {"kind": REMOVE}, "kind", "is missing; add `kind: CycleQDRun`"),
    Wrong("no name", {"metadata.name": REMOVE}, "metadata.name", "is missing; add a name of lower"),
    Wrong("typo", {"spec.tsaks": 1}, "spec.tsaks", "unknown field; did you mean `tasks`?"),
    Wrong(
        "snake case",
        {"spec.tasks[1].max_new_tokens": 9},
        "spec.tasks[1].max_new_tokens",
        "write `maxNewTokens`",
    ),
    Wrong(
        "wrong case",
        {"spec.evolution.cycleinterval": 2},
        "spec.evolution.cycleinterval",
        "write `cycleInterval`",
    ),
    Wrong(
        "field at another level",
        {"spec.generations": 5},
        "spec.generations",
        "it stands at spec.evolution.generations",
    ),
    Wrong(
        "typo at another level",
        {"spec.evolution.gpuMemoryUtilisation": 0.5},
        "spec.evolution.gpuMemoryUtilisation",
        "did you mean spec.evaluation.gpuMemoryUtilization?",
    ),
    Wrong(
        "invented field",
        {"spec.archive.wxyz": 5},
        "spec.archive.wxyz",
        "known here are bins, lowerMargin, upperMargin",
    ),
    Wrong(
        "secret in the manifest",
        {"spec.storage.s3.secretAccessKey": "hunter2"},
        "spec.storage.s3.secretAccessKey",
        "credentials never stand in a manifest",
    ),
    # Types
    Wrong("number as text", {"spec.seed": "7"}, "spec.seed", 'not "7"; remove the quotes: 7'),
    Wrong("word for number", {"spec.seed": "many"}, "spec.seed", 'not "many"; write a number'),
    Wrong("true for number", {"spec.seed": True}, "spec.seed", "not true; write a number"),
    Wrong(
        "fraction of a whole",
        {"spec.evolution.generations": 2.5},
        "spec.evolution.generations",
        "must be a whole number from 1 to 1000000, not 2.5; write 2 or 3",
    ),
    Wrong(
        "float for a whole",
        {"spec.archive.bins": 15.0},
        "spec.archive.bins",
        "not 15.0; write 15",
    ),
    Wrong(
        "text for true",
        {"spec.tasks[0].chat": "yes"},
        "spec.tasks[0].chat",
        'must be true or false, not "yes"; write true or false without quotes',
    ),
    Wrong(
        "number for text",
        {"metadata.labels": {"team": 42}},
        "metadata.labels.team",
        'must be text, not 42; put it in quotes: "42"',
    ),
    Wrong(
        "YAML's no",
        {"spec.tasks[1].name": False},
        "spec.tasks[1].name",
        "put the word in quotes (YAML reads yes, no",
    ),
    Wrong(
        "null",
        {"spec.tasks[0].maxNewTokens": None},
        "spec.tasks[0].maxNewTokens",
        "not null; remove the line to use the default 64",
    ),
    Wrong("null part", {"spec.workers": None}, "spec.workers", "to use the defaults"),
    Wrong("null where needed", {"spec.base.uri": None}, "spec.base.uri", "write a value after"),
    Wrong(
        "mapping for list",
        {"spec.experts": {"name": "a", "uri": "b"}},
        "spec.experts",
        "not a mapping; begin each element with '- '",
    ),
    Wrong(
        "list for mapping",
        {"spec.archive": [{"bins": 3}]},
        "spec.archive",
        "not a list; remove the '- ' before its fields",
    ),
    Wrong("text for mapping", {"spec.base": "models/base"}, "spec.base", "indent its fields below"),
    Wrong("text for list", {"spec.tasks[0].stop": "#"}, "spec.tasks[0].stop", 'write ["#"]'),
    Wrong("empty list", {"spec.tasks": []}, "spec.tasks", "the list is empty; add one with name"),
    Wrong(
        "long list",
        {"spec.tasks[0].stop": list("abcdefghi")},
        "spec.tasks[0].stop",
        "has 9 elements, at most 8",
    ),
    Wrong("empty text", {"spec.base.uri": ""}, "spec.base.uri", "must not be empty"),
    Wrong("long text", {"spec.base.uri": "x" * 1025}, "spec.base.uri", "has 1025 characters"),
    # Ranges
    Wrong("NaN", {"spec.archive.lowerMargin": float("nan")}, "spec.archive.lowerMargin", "not NaN"),
    Wrong(
        "infinity",
        {"spec.tasks[0].timeoutSeconds": float("inf")},
        "spec.tasks[0].timeoutSeconds",
        "must be a whole number from 1 to 600, not infinity",
    ),
    Wrong("negative", {"spec.seed": -1}, "spec.seed", "not -1; choose a value in that range"),
    Wrong("zero", {"spec.workers.replicas": 0}, "spec.workers.replicas", "not 0; choose"),
    Wrong(
        "percent for fraction",
        {"spec.evaluation.gpuMemoryUtilization": "80"},
        "spec.evaluation.gpuMemoryUtilization",
        'above 0, at most 1, in quotes, not "80"; choose a value in that range',
    ),
    Wrong(
        "decimal without quotes",
        {"spec.evolution.mutation.maxScale": 0.3},
        "spec.evolution.mutation.maxScale",
        'must be a number from 0 to 10, in quotes, not 0.3; quote it: "0.3"',
    ),
    Wrong(
        "whole number without quotes",
        {"spec.archive.upperMargin": 1},
        "spec.archive.upperMargin",
        'not 1; quote it: "1"',
    ),
    Wrong(
        "decimal without its zero",
        {"spec.evolution.crossover.stddev": ".5"},
        "spec.evolution.crossover.stddev",
        'not ".5"; write "0.5"',
    ),
    Wrong(
        "word for decimal",
        {"spec.archive.lowerMargin": "most"},
        "spec.archive.lowerMargin",
        'not "most"; write a number in quotes',
    ),
    # Names and choices
    Wrong("name with blanks", {"metadata.name": "My Run"}, "metadata.name", "for example my-run"),
    Wrong("long name", {"metadata.name": "a" * 41}, "metadata.name", "at most 40 characters"),
    Wrong(
        "typo in a choice",
        {"spec.tasks[1].type": "pyhton"},
        "spec.tasks[1].type",
        'not "pyhton"; did you mean python?',
    ),
    Wrong(
        "case of a choice",
        {"spec.evolution.mutation.method": "expert_svd"},
        "spec.evolution.mutation.method",
        "did you mean ExpertSVD?",
    ),
    Wrong(
        "unknown vocabulary",
        {"spec.experts[0].vocabulary": "Union"},
        "spec.experts[0].vocabulary",
        "must be one of Same, Base",
    ),
    Wrong(
        "foreign choice",
        {"spec.evaluation.dtype": "int4"},
        "spec.evaluation.dtype",
        "must be one of bfloat16, float16, float32",
    ),
    Wrong("other kind", {"kind": "Deployment"}, "kind", "this is no CycleQDRun"),
    Wrong("other case of kind", {"kind": "CycleQdRun"}, "kind", "write CycleQDRun"),
    Wrong("other API", {"apiVersion": "v1"}, "apiVersion", "write cycleqd.io/v1alpha1"),
    Wrong("other version", {"apiVersion": "cycleqd.io/v1"}, "apiVersion", "that version only"),
]
