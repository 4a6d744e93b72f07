"""Wrong manifests: fields that are right one by one and break a rule together."""

from __future__ import annotations

from typing import Final

from .documents import REMOVE
from .wrong_fields import Wrong

_GAUSSIAN: Final = {"spec.evolution.mutation": {"method": "Gaussian"}}
_MEMBER: Final = {"uri": REMOVE, "member": "c000001"}
_FOLDER: Final = {
    "spec.storage.uri": "runs",
    "spec.experts[2].uri": "models/shell",
}

WRONG_RULES: Final = [
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
        "template of an unknown expert",
        {"spec.tasks[2].chat": True, "spec.tasks[2].chatTemplateFrom": "shel"},
        "spec.tasks[2].chatTemplateFrom",
        'no expert is called "shel"; did you mean shell?',
    ),
    Wrong(
        "template without chat",
        {"spec.tasks[2].chatTemplateFrom": "shell"},
        "spec.tasks[2].chatTemplateFrom",
        "has no effect without chat; write chat: true beside it, or remove the line",
    ),
    Wrong(
        "system message without chat",
        {"spec.tasks[0].chat": False, "spec.tasks[0].systemMessage": "Be brief."},
        "spec.tasks[0].systemMessage",
        "has no effect without chat; write chat: true beside it, or remove the line",
    ),
    Wrong(
        "nobody remains",
        {f"spec.experts[{n}].retired": True for n in range(3)},
        "spec.experts",
        "all are retired; leave one, or append another",
    ),
    Wrong(
        "nothing remains",
        {f"spec.tasks[{n}].retired": True for n in range(3)},
        "spec.tasks",
        "all are retired; leave one, or append another",
    ),
    Wrong(
        "member beside a checkpoint",
        {"spec.experts[0].member": "c000001"},
        "spec.experts[0].member",
        "stands beside uri; keep one of the two",
    ),
    Wrong(
        "role as member",
        {"spec.experts[0].uri": REMOVE, "spec.experts[0].member": "best:sql"},
        "spec.experts[0].member",
        '"best:sql" is no candidate\'s id, such as c000123; `cycleqd list` prints those of',
    ),
    Wrong(
        "two experts of one member",
        {f"spec.experts[{n}].{field}": value for n in (0, 1) for field, value in _MEMBER.items()},
        "spec.experts[1].member",
        '"c000001" is also spec.experts[0].member; name another member',
    ),
    Wrong(
        "vocabulary of a member",
        {
            "spec.experts[0].uri": REMOVE,
            "spec.experts[0].member": "c000001",
            "spec.experts[0].vocabulary": "Base",
        },
        "spec.experts[0].vocabulary",
        "has no effect with member; remove the line",
    ),
    Wrong(
        "template of a member",
        {
            "spec.experts[0].uri": REMOVE,
            "spec.experts[0].member": "c000001",
            "spec.tasks[0].chat": True,
            "spec.tasks[0].chatTemplateFrom": "python",
        },
        "spec.tasks[0].chatTemplateFrom",
        '"python" is a member of the run and has no chat template of its own',
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
        "share without effect",
        {"spec.evolution.crossover": {"method": "Line", "stddev": "0.1"}},
        "spec.evolution.crossover.stddev",
        "has no effect with method Line; remove the line",
    ),
    Wrong(
        "line without effect",
        {"spec.evolution.crossover": {"line": {"step": "0.2"}}},
        "spec.evolution.crossover.line",
        "has no effect with method Linear; remove the line",
    ),
    Wrong(
        "bands without effect",
        {"spec.evolution.crossover": {"granularity": "Block", "bands": 4}},
        "spec.evolution.crossover.bands",
        "has no effect with granularity Block; remove the line",
    ),
    Wrong(
        "noise on a line",
        {**_GAUSSIAN, "spec.evolution.crossover": {"method": "Line"}},
        "spec.evolution.crossover.method",
        "Line cannot be combined with mutation Gaussian",
    ),
    Wrong(
        "members without effect",
        {"spec.evolution.aggregate": {"members": 5}},
        "spec.evolution.aggregate.members",
        "has no effect with method Softmax; remove the line",
    ),
    Wrong(
        "temperature without effect",
        {"spec.evolution.aggregate": {"method": "Front", "temperature": "0.1"}},
        "spec.evolution.aggregate.temperature",
        "has no effect with method Front; remove the line",
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
        "nothing to tune by",
        {"spec.evolution.strategy": "TunedScalar"},
        "spec.evolution.tune",
        "is missing, and strategy TunedScalar needs it to train every candidate after the grid; "
        "add `tune: {}`",
    ),
    Wrong(
        "preset that does not tune",
        {"spec.evolution": {"preset": "GradientFree", "strategy": "TunedScalar"}},
        "spec.evolution.tune",
        "is missing, and strategy TunedScalar needs it",
    ),
    Wrong(
        "grid without effect",
        {
            "spec.evolution.strategy": "TunedScalar",
            "spec.evolution.tune": {},
            "spec.evolution.tunedScalar": {"grid": 4, "factor": "0"},
        },
        "spec.evolution.tunedScalar.grid",
        "has no effect with factor; remove the line",
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
        "databases on the hub",
        {"spec.tasks[0].type": "sql", "spec.tasks[0].sql": {"databases": "hf://org/data"}},
        "spec.tasks[0].sql.databases",
        "write a local path or s3://bucket/prefix",
    ),
    Wrong(
        "a pattern that is none",
        {"spec.tasks[0].type": "exact", "spec.tasks[0].exact": {"answerPattern": "[a-"}},
        "spec.tasks[0].exact.answerPattern",
        "is no regular expression of Python",
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
