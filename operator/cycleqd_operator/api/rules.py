"""Rules between fields, by the path where they stand.

They restate `cycleqd.manifest.rules`, so that what ``cycleqd validate`` refuses never becomes an
object, and add what holds in a cluster only: the store is on S3, and a pod can reach every URI. The
texts that are compared (forms of URIs, reserved names, settings without effect) are taken from
there. Where a rule would have to normalise a path, the operator's own reading of the manifest has
the last word.

Defaults are filled in before rules are checked. So only fields without default need ``has()``, and
"the user wrote it" means "differs from the default", as in `cycleqd.manifest.part.Part.changed`.
"""

from __future__ import annotations

import json

from cycleqd.manifest.curriculum import LISTS, growing
from cycleqd.manifest.evolution import Aggregate, Crossover, Evolution, Mutation, Selection
from cycleqd.manifest.model import Task
from cycleqd.manifest.registry import STRATEGIES, TASK_TYPES, Conflict, Registry
from cycleqd.manifest.rules import (
    AGGREGATE_IGNORES,
    CHAT_ONLY,
    CROSSOVER_IGNORES,
    MEMBER_ID,
    MUTATION_IGNORES,
    RESERVED_EXPERTS,
)
from cycleqd.manifest.uris import (
    ENDPOINT,
    FORMS,
    MLFLOW_SERVER,
    REGISTERED_MODEL,
    SIGNED,
    TRACKED_NAME,
    USERINFO,
)
from cycleqd.manifest.values import MAX_NAME, NAME_PATTERN, Model
from cycleqd_operator.api.cel import Rule, matches, quoted

_ABSOLUTE = "/.+"
_S3, _S3_FORM = FORMS["s3"]
_HUB, _HUB_FORM = FORMS["hf"]
_MOUNTED = "on a volume that the pods mount, since a pod has no other files"

_NO_CREDENTIALS = Rule(
    f"self.startsWith('hf://') || !(self.matches({quoted(USERINFO)})"
    f" || self.matches({quoted(f'(?i){SIGNED}')}))",
    "must not hold credentials; remove them and name a Secret in "
    "spec.storage.s3.credentialsSecretRef",
    reason="FieldValueForbidden",
)
_CHECKPOINT = Rule(
    matches("self", f"{_S3}|{_HUB}|{_ABSOLUTE}"),
    f"must be {_S3_FORM}, {_HUB_FORM}, or the absolute path of a folder {_MOUNTED}",
)
_ITEMS = Rule(
    matches("self", f"{_S3}|{_ABSOLUTE}"),
    f"must be s3://bucket/key, or the absolute path of a file {_MOUNTED}",
)


def _unchanged(model: type[Model], field: str, member: str = "") -> str:
    """Whether a field, of the mapping itself or of one in it, has its default."""
    info = next(info for info in model.model_fields.values() if info.alias == field)
    path = f"{member}.{field}" if member else field
    if info.default is None:
        return f"!has(self.{path})"
    if isinstance(info.default, float):
        return f"double(self.{path}) == {info.default}"
    return f"self.{path} == {json.dumps(info.default)}"


def _without_effect(
    model: type[Aggregate | Crossover | Mutation | Selection], method: str, field: str
) -> Rule:
    """A setting that a method ignores must have its default."""
    return Rule(
        f"self.method != {quoted(method)} || {_unchanged(model, field)}",
        f"has no effect with method {method}; remove it",
        f".{field}",
    )


def _chosen(registry: Registry, chooser: str, model: type[Model]) -> tuple[Rule, ...]:
    """What each entry of a registry says of the mapping that chooses it."""
    settings = [
        Rule(
            f"self.{chooser} == {quoted(name)} || !has(self.{field})",
            f"has no effect but with {chooser} {name}; remove it, or write {chooser} {name}",
            f".{field}",
        )
        for name, field in registry.members.items()
    ]
    ignored = [
        Rule(
            f"self.{chooser} != {quoted(name)} || {_unchanged(model, field)}",
            f"has no effect with {chooser} {name}, {why}; remove it",
            f".{field}",
        )
        for name, entry in registry.entries.items()
        for field, why in entry.ignores.items()
    ]
    # A preset may bring what is needed; whether it does is for the operator's own reading.
    brought = " || has(self.preset)" if "preset" in model.model_fields else ""
    needed = [
        Rule(
            f"self.{chooser} != {quoted(name)} || has(self.{field}){brought}",
            f"must be there, {chooser} {name} needs it {why}; add it, or choose another {chooser}",
            f".{field}",
        )
        for name, entry in registry.entries.items()
        for field, why in entry.needs.items()
    ]
    overridden = [
        Rule(
            f"!has(self.{member}) || !has(self.{member}.{field}) || "
            f"{_unchanged(entry.settings_model, other, member)}",
            f"has no effect with {field}; remove it",
            f".{member}.{other}",
        )
        for name, entry in registry.entries.items()
        if entry.settings_model and (member := registry.members[name])
        for field, others in entry.overrides.items()
        for other in others
    ]
    conflicting = [
        _apart(f"self.{chooser} != {quoted(name)}", conflict)
        for name, entry in registry.entries.items()
        for conflict in entry.conflicts
    ]
    return (*settings, *ignored, *needed, *overridden, *conflicting)


def _apart(unless: str, conflict: Conflict) -> Rule:
    """Choices that cannot stand together do not."""
    holder, _, field = conflict.field.rpartition(".")
    values, others = " or ".join(conflict.values), " or ".join(conflict.others)
    return Rule(
        f"{unless} || !(self.{conflict.other} in {list(conflict.others)})"
        f" || !(self.{conflict.field} in {list(conflict.values)})",
        f"{field} {values} cannot be combined with {conflict.other} {others}, {conflict.because}; "
        f"{conflict.remedy}",
        f".{holder or field}",
    )


_SPEC = (
    Rule(
        "self.tasks.all(t, !has(t.expert) || self.experts.exists(e, e.name == t.expert))",
        "expert of each task must be the name of one of spec.experts",
        ".tasks",
    ),
    Rule(
        "self.tasks.all(t, !has(t.chatTemplateFrom)"
        " || self.experts.exists(e, e.name == t.chatTemplateFrom))",
        "chatTemplateFrom of each task must be the name of one of spec.experts",
        ".tasks",
    ),
    Rule(
        "self.tasks.all(t, !has(t.chatTemplateFrom)"
        " || !self.experts.exists(e, e.name == t.chatTemplateFrom && has(e.member)))",
        "chatTemplateFrom of a task must not name a member of the run, which has no chat template "
        "of its own; name an expert with a uri",
        ".tasks",
    ),
    Rule(
        "self.experts.all(e, !has(e.uri)"
        " || self.experts.all(o, o.name == e.name || !has(o.uri) || o.uri != e.uri))",
        "uri must be another for each expert; name another checkpoint or remove one of the two",
        ".experts",
    ),
    Rule(
        "self.experts.all(e, !has(e.member)"
        " || self.experts.all(o, o.name == e.name || !has(o.member) || o.member != e.member))",
        "member must be another for each expert; name another member or remove one of the two",
        ".experts",
    ),
    Rule(
        "self.experts.all(e, !has(e.uri) || e.uri != self.base.uri)",
        "uri of an expert must not be that of spec.base, whose task vector is zero; name a "
        "fine-tuned checkpoint",
        ".experts",
    ),
    Rule(
        "self.experts.exists(e, !e.retired)",
        "must not all be retired; leave one, or append another",
        ".experts",
    ),
    Rule(
        "self.tasks.exists(t, !t.retired)",
        "must not all be retired; leave one, or append another",
        ".tasks",
    ),
    Rule(
        "self.tasks.all(t, self.tasks.all(o, o.items.search != t.items.test))",
        "items.test of a task must not be items.search of any task, since held-out items must not "
        "guide the search; split the items into two files",
        ".tasks",
    ),
    Rule(
        "self.tasks.all(t, t.maxNewTokens < self.evaluation.maxModelLen)",
        "maxNewTokens of each task must be below spec.evaluation.maxModelLen, to leave room for a "
        "prompt",
        ".tasks",
    ),
    *(
        Rule(
            f"self.curriculum.all(s, s.{name}.all(n, self.{name}.exists(e, e.name == n)))",
            f"{name} of each step must be names of spec.{name}",
            ".curriculum",
        )
        for name in LISTS
    ),
    Rule(
        "self.curriculum.all(s, s.generation < self.evolution.generations)",
        "generation of each step must be below spec.evolution.generations, to leave one after the "
        "one that is spent on joining",
        ".curriculum",
    ),
    Rule(
        f"size(self.curriculum) == 0 || self.evolution.strategy in {growing()}",
        f"needs strategy {' or '.join(growing())}, since others cannot take in experts or tasks in "
        "the middle of a search",
        ".curriculum",
    ),
)

_DEPTH = Evolution.model_fields["pipeline_depth"].default
_EVOLUTION = (
    Rule(
        f"self.pipelineDepth <= self.generations || self.pipelineDepth == {_DEPTH}",
        "must not be more than generations, which would all be planned from the experts alone",
        ".pipelineDepth",
    ),
    *_chosen(STRATEGIES, "strategy", Evolution),
)

_S3_SETTINGS = (
    Rule(
        "!(has(self.caBundle) && has(self.caBundleRef))",
        "must not stand beside caBundle; keep one of the two, caBundleRef for a cluster",
        ".caBundleRef",
    ),
)

RULES: dict[str, tuple[Rule, ...]] = {
    "": (
        Rule(
            f"size(self.metadata.name) <= {MAX_NAME} && self.metadata.name.matches("
            f"{quoted(NAME_PATTERN)})",
            f"must be at most {MAX_NAME} lower-case letters, digits and '-' (not first or last), "
            "since the names of the run's children begin with it",
            ".metadata.name",
        ),
    ),
    "spec": _SPEC,
    "spec.base.uri": (_NO_CREDENTIALS, _CHECKPOINT),
    "spec.experts[]": (
        Rule(
            "has(self.uri) != has(self.member)",
            "must have either a uri or, in a run that has begun, a member of it",
            ".uri",
        ),
        Rule(
            "!has(self.member) || self.vocabulary == 'Same'",
            "has no effect with member; remove it",
            ".vocabulary",
        ),
    ),
    "spec.experts[].member": (
        Rule(
            matches("self", MEMBER_ID),
            "must be the id of a candidate, such as c000123; `cycleqd list` prints those of the "
            "archives' members",
        ),
    ),
    "spec.experts[].name": (
        Rule(
            f"!(self in {list(RESERVED_EXPERTS)})",
            f"must not be {', '.join(RESERVED_EXPERTS)}, which are rows of the final table of "
            "their own; choose another name",
            reason="FieldValueForbidden",
        ),
    ),
    "spec.experts[].uri": (_NO_CREDENTIALS, _CHECKPOINT),
    "spec.tasks[]": (
        *_chosen(TASK_TYPES, "type", Task),
        *(
            Rule(
                f"self.chat || !has(self.{field})",
                "has no effect without chat; write chat: true, or remove it",
                f".{field}",
            )
            for field in CHAT_ONLY
        ),
    ),
    "spec.tasks[].items.search": (_NO_CREDENTIALS, _ITEMS),
    "spec.tasks[].items.test": (_NO_CREDENTIALS, _ITEMS),
    "spec.curriculum": (
        Rule(
            "self.all(i, s, i == 0 || self[i - 1].generation < s.generation)",
            "must list steps in the order of their generations",
        ),
    ),
    "spec.curriculum[]": (
        Rule(
            "size(self.experts) + size(self.tasks) > 0",
            "lets nobody join; name experts or tasks, or remove the step",
        ),
    ),
    "spec.tasks[].bounds": (
        Rule("double(self.min) < double(self.max)", "must be below max", ".min"),
    ),
    "spec.evolution": _EVOLUTION,
    "spec.evolution.selection": (
        Rule(
            "self.method != 'Elite' || double(self.low) <= double(self.high)",
            "must not be above high, which would prefer the worst elites; exchange them",
            ".low",
        ),
        *(_without_effect(Selection, "Uniform", field) for field in ("low", "high")),
    ),
    "spec.evolution.crossover": (
        *(
            _without_effect(Crossover, method, field)
            for method, fields in CROSSOVER_IGNORES.items()
            for field in fields
        ),
        Rule(
            f"self.granularity == 'Band' || {_unchanged(Crossover, 'bands')}",
            "has no effect but with granularity Band; remove it",
            ".bands",
        ),
    ),
    "spec.evolution.mutation": tuple(
        _without_effect(Mutation, method, field)
        for method, fields in MUTATION_IGNORES.items()
        for field in fields
    ),
    "spec.evolution.aggregate": tuple(
        _without_effect(Aggregate, method, field)
        for method, fields in AGGREGATE_IGNORES.items()
        for field in fields
    ),
    "spec.storage.uri": (
        _NO_CREDENTIALS,
        Rule(matches("self", _S3), f"must be {_S3_FORM}; the pods of a run share no folder"),
    ),
    "spec.storage.s3": _S3_SETTINGS,
    "spec.storage.s3.endpoint": (
        _NO_CREDENTIALS,
        Rule(matches("self", ENDPOINT), "must be https://host or http://host:port"),
    ),
    "spec.storage.s3.caBundle": (
        Rule(
            "self.startsWith('/')",
            f"must be the absolute path of a file {_MOUNTED}; caBundleRef is simpler",
        ),
    ),
    "spec.tracking.mlflow.uri": (
        Rule(
            f"!(self.matches({quoted(USERINFO)}) || self.matches({quoted(f'(?i){SIGNED}')}))",
            "must not hold credentials; remove them and name a Secret in "
            "spec.tracking.mlflow.credentialsSecretRef",
            reason="FieldValueForbidden",
        ),
        Rule(matches("self", MLFLOW_SERVER), "must be http://host:port or https://host/path"),
    ),
    "spec.tracking.mlflow.experiment": (
        Rule(
            matches("self", TRACKED_NAME),
            "must not begin or end with a space, nor hold control characters",
        ),
    ),
    "spec.tracking.mlflow.registeredModel": (
        Rule(
            matches("self", REGISTERED_MODEL),
            "must be letters, digits, '_', '-', '.' and spaces, the last three not first or last",
        ),
    ),
    "spec.goal": (
        Rule(
            "self.metric == 'QDScore' || double(self.value) <= 1.0",
            "must be at most 1 with metric Coverage and BestMean, which are fractions; or write "
            "metric QDScore",
            ".value",
        ),
    ),
}
"""Every rule between fields."""
