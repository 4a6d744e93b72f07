"""Wrong manifests, each a small edit of one valid document, with what must be said of it.

``python -m tests.manifest.wrong`` prints every message as ``cycleqd validate`` would.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from cycleqd.errors import ManifestError
from cycleqd.manifest_reader import parse_manifest

from .documents import REMOVE, VALID, Edit, as_yaml, edited


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


class WrongText(NamedTuple):
    """A text that is no document, and a part of the line said of it."""

    fault: str
    text: str
    said: str


_GAUSSIAN: Final = {"spec.evolution.mutation": {"method": "Gaussian"}}
_FOLDER: Final = {
    "spec.storage.uri": "runs",
    "spec.experts[2].uri": "models/shell",
}

WRONG: Final = [
    # Fields that are missing or unknown
    Wrong("no base", {"spec.base": REMOVE}, "spec.base", "is missing; add it with uri"),
    Wrong("no uri", {"spec.experts[0].uri": REMOVE}, "spec.experts[0].uri", "is missing; add text"),
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
        "foreign choice",
        {"spec.evaluation.dtype": "int4"},
        "spec.evaluation.dtype",
        "must be one of bfloat16, float16, float32",
    ),
    Wrong("other kind", {"kind": "Deployment"}, "kind", "this is no CycleQDRun"),
    Wrong("other case of kind", {"kind": "CycleQdRun"}, "kind", "write CycleQDRun"),
    Wrong("other API", {"apiVersion": "v1"}, "apiVersion", "write cycleqd.io/v1alpha1"),
    Wrong("other version", {"apiVersion": "cycleqd.io/v1"}, "apiVersion", "that version only"),
    # Rules between fields
    Wrong(
        "two tasks of one name",
        {"spec.tasks[2].name": "python"},
        "spec.tasks[2].name",
        '"python" is also the name of spec.tasks[0]',
    ),
    Wrong(
        "two experts of one name",
        {"spec.experts[1].name": "python"},
        "spec.experts[1].name",
        '"python" is also the name of spec.experts[0]',
    ),
    Wrong(
        "reserved name",
        {"spec.experts[0].name": "base"},
        "spec.experts[0].name",
        "for example base-expert",
    ),
    Wrong(
        "unknown expert",
        {"spec.tasks[2].expert": "shel"},
        "spec.tasks[2].expert",
        'no expert is called "shel"; did you mean shell?',
    ),
    Wrong(
        "base as expert",
        {"spec.experts[0].uri": "./models/base/"},
        "spec.experts[0].uri",
        "is the base model itself",
    ),
    Wrong(
        "one checkpoint twice",
        {"spec.experts[1].uri": "models//python"},
        "spec.experts[1].uri",
        "is also spec.experts[0].uri",
    ),
    Wrong(
        "test is search",
        {"spec.tasks[0].items.test": "data/python-search.jsonl"},
        "spec.tasks[0].items.test",
        "held-out items must not guide the search",
    ),
    Wrong(
        "test is another task's search",
        {"spec.tasks[0].items.test": "data/sql-search.jsonl"},
        "spec.tasks[0].items.test",
        "is also spec.tasks[1].items.search",
    ),
    Wrong(
        "bounds reversed",
        {"spec.tasks[1].bounds": {"min": "0.9", "max": "0.1"}},
        "spec.tasks[1].bounds",
        "min 0.9 must be below max 0.1",
    ),
    Wrong(
        "factors reversed",
        {"spec.evolution.selection.low": "0.9"},
        "spec.evolution.selection",
        "low 0.9 is above high 0.8",
    ),
    Wrong(
        "factor without effect",
        {"spec.evolution.selection": {"method": "Uniform", "high": "0.9"}},
        "spec.evolution.selection.high",
        "has no effect with method Uniform; remove the line",
    ),
    Wrong(
        "rank without effect",
        {"spec.evolution.mutation": {"method": "None", "rank": 4}},
        "spec.evolution.mutation.rank",
        "has no effect with method None",
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
        "noise with blocks",
        _GAUSSIAN,
        "spec.evolution.crossover.granularity",
        "Block cannot be combined with mutation Gaussian",
    ),
    Wrong(
        "deeper than long",
        {"spec.evolution.pipelineDepth": 21},
        "spec.evolution.pipelineDepth",
        "21 is more than the 20 generations",
    ),
    Wrong(
        "goal out of reach",
        {"spec.goal": {"metric": "Coverage", "value": "80"}},
        "spec.goal.value",
        '"80" is never reached, Coverage is at most 1',
    ),
    Wrong(
        "goal without value",
        {"spec.goal": {"metric": "QDScore"}},
        "spec.goal.value",
        "is missing; add a number above 0, at most 1000000000, in quotes",
    ),
    Wrong(
        "two sources of authorities",
        {
            "spec.storage.s3.caBundle": "ca.pem",
            "spec.storage.s3.caBundleRef": {"name": "authorities"},
        },
        "spec.storage.s3.caBundleRef",
        "stands beside caBundle; keep one of the two",
    ),
    Wrong(
        "name of a ConfigMap",
        {"spec.storage.s3.caBundleRef": {"name": "My_CA"}},
        "spec.storage.s3.caBundleRef.name",
        "digits, '-' and '.' (not first or last), at most 253 characters",
    ),
    Wrong(
        "label of a pod",
        {"spec.workers.template": {"metadata": {"labels": {"team": "a b"}}}},
        "spec.workers.template.metadata.labels.team",
        "must be a word of letters, digits, '-', '_' and '.' (not first or last), at most 63",
    ),
    Wrong(
        "list for pod spec",
        {"spec.workers.template": {"spec": [1]}},
        "spec.workers.template.spec",
        "must be a mapping, not a list",
    ),
    Wrong(
        "no room for a prompt",
        {"spec.tasks[0].maxNewTokens": 512},
        "spec.tasks[0].maxNewTokens",
        "leaves no room for a prompt within spec.evaluation.maxModelLen = 512",
    ),
    Wrong(
        "credentials in a URI",
        {"spec.storage.uri": "s3://AKIA:hunter2@bucket/runs"},
        "spec.storage.uri",
        "holds credentials",
    ),
    Wrong(
        "signed URI",
        {"spec.base.uri": "s3://bucket/base?X-Amz-Signature=hunter2"},
        "spec.base.uri",
        "holds credentials",
    ),
    Wrong(
        "credentials in the wrong place",
        {"spec.base": "s3://me:hunter2@bucket/base"},
        "spec.base",
        'not "s3://***@bucket/base"; indent its fields below it',
    ),
    Wrong(
        "credentials in the endpoint",
        {"spec.storage.s3.endpoint": "https://me:hunter2@s3.example.org"},
        "spec.storage.s3.endpoint",
        "holds credentials",
    ),
    Wrong(
        "S3 settings for a folder",
        _FOLDER,
        "spec.storage.s3",
        'spec.storage.uri "runs" is a folder',
    ),
    Wrong(
        "other scheme",
        {"spec.base.uri": "gs://bucket/base"},
        "spec.base.uri",
        "has the scheme gs://; write a local path or hf://org/name",
    ),
    Wrong(
        "page of the hub",
        {"spec.base.uri": "https://huggingface.co/org/model"},
        "spec.base.uri",
        "write hf://org/model",
    ),
    Wrong(
        "file URL",
        {"spec.base.uri": "file:///models/base"},
        "spec.base.uri",
        "write the path itself, without file://",
    ),
    Wrong(
        "items on the hub",
        {"spec.tasks[0].items.search": "hf://org/data"},
        "spec.tasks[0].items.search",
        "write a local path or s3://bucket/prefix",
    ),
    Wrong(
        "half a hub name",
        {"spec.base.uri": "hf://model"},
        "spec.base.uri",
        "is not of the form hf://org/name",
    ),
    Wrong(
        "no bucket",
        {"spec.storage.uri": "s3:///runs"},
        "spec.storage.uri",
        "is not of the form s3://bucket/prefix",
    ),
    Wrong(
        "endpoint without scheme",
        {"spec.storage.s3.endpoint": "s3.example.org:9000"},
        "spec.storage.s3.endpoint",
        "write https://host",
    ),
]

WRONG_TEXTS: Final = [
    WrongText("empty file", "# nothing yet\n", "run.yaml: empty"),
    WrongText("two documents", f"{VALID}---\n{VALID}", "holds 2 documents, the second begins at"),
    WrongText("a list", "- a\n- b\n", "must be a mapping with apiVersion, kind, metadata and spec"),
    WrongText("a text", "hello\n", "not the single value 'hello'"),
    WrongText(
        "tab",
        VALID.replace("  name: agents", "\tname: agents"),
        "line 4, column 1: not valid YAML",
    ),
    WrongText("open bracket", VALID.replace("}", "", 1), "not valid YAML"),
    WrongText(
        "key twice",
        VALID.replace("  seed: 7\n", "  seed: 7\n  seed: 8\n"),
        "line 7, column 3: 'seed' stands here again, first at line 6",
    ),
    WrongText("key twice in JSON", '{"kind": "a", "kind": "b"}', "'kind' stands here again"),
    WrongText("own type", VALID.replace("seed: 7", "seed: !!python/name:os.system x"), "the tag"),
    WrongText("endless anchor", "a: &a [*a]\n", "an anchor that contains itself"),
    WrongText(
        "list of runs",
        "apiVersion: v1\nkind: List\nitems: []\n",
        'kind: "List" holds several objects',
    ),
]


def problems_of(text: str) -> tuple[str, ...]:
    """The lines said of a text, none when it is a valid manifest."""
    try:
        parse_manifest(text, "run.yaml")
    except ManifestError as error:
        return error.problems
    return ()


if __name__ == "__main__":
    texts = [(wrong.fault, as_yaml(edited(wrong.edit))) for wrong in WRONG]
    texts += [(wrong.fault, wrong.text) for wrong in WRONG_TEXTS]
    for number, (fault, text) in enumerate(texts, start=1):
        print(f"{number:2}. {fault}")
        for line in problems_of(text):
            print(f"      {line}")
