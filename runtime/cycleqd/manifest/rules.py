"""Rules between fields: what no single field shows to be wrong.

They read the document as written, not the validated model, for two reasons. All problems are told
at once, so a rule must work beside fields that are themselves wrong (it then looks away). And a
value without effect is refused only where the user wrote it: defaults are silent.

Each rule is a generator of problem lines over the ``spec``; `RULES` is the whole list.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from cycleqd.manifest.curriculum import curriculum
from cycleqd.manifest.part import Part, whole
from cycleqd.manifest.problems import nearest, shown
from cycleqd.manifest.registry import STRATEGIES, TASK_TYPES, Registered, Registry
from cycleqd.manifest.uris import ca_bundle, s3_settings, same_place, tracking, uris
from cycleqd.manifest.values import PATTERN_FORMAT, pattern_problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RESERVED_EXPERTS = ("base", "aggregate", "uniform-merge")
"""Rows of the final table that are no experts."""


def rule_problems(document: dict[str, Any]) -> list[str]:
    """One line for each broken rule of a document that may have other faults too."""
    spec = whole(document).part("spec")
    return [problem for rule in RULES for problem in rule(spec)]


def _unique_names(spec: Part) -> Iterator[str]:
    for field in ("experts", "tasks"):
        first: dict[str, Part] = {}
        for element in spec.parts(field):
            name = element.part("name")
            if name.text is None:
                continue
            if name.text in first:
                yield (
                    f"{name.path}: {shown(name.text)} is also the name of "
                    f"{first[name.text].path}; give each of the {field} its own name"
                )
            first.setdefault(name.text, element)


def _reserved_names(spec: Part) -> Iterator[str]:
    for expert in spec.parts("experts"):
        name = expert.part("name")
        if name.text in RESERVED_EXPERTS:
            yield (
                f"{name.path}: {shown(name.text)} is a row of the final table of its own "
                f"(so are {', '.join(RESERVED_EXPERTS)}); choose another name, "
                f"for example {name.text}-expert"
            )


def _known_expert(spec: Part) -> Iterator[str]:
    names = [expert.part("name").text for expert in spec.parts("experts")]
    if not any(names):
        return
    pattern = spec.schema["properties"]["experts"]["items"]["properties"]["name"]["pattern"]
    known = [name for name in names if name is not None and re.fullmatch(pattern, name)]
    for task in spec.parts("tasks"):
        for expert in (task.part("expert"), task.part("chatTemplateFrom")):
            if expert.text is not None and expert.text not in names:
                near = nearest(expert.text, known)
                remedy = f"did you mean {near}?" if near else f"name one of {', '.join(known)}"
                yield f"{expert.path}: no expert is called {shown(expert.text)}; {remedy}"


MEMBER_ID = "c[0-9]{6,9}|joined-[0-9]{6,9}-[0-9]{3,6}"
"""Regular expression of the ids that candidates have which are no experts."""


def _sources(spec: Part) -> Iterator[str]:
    """Each expert is a checkpoint or a member of the run."""
    seen: dict[str, Part] = {}
    for expert in spec.parts("experts"):
        uri, member = expert.part("uri"), expert.part("member")
        if uri.raw is None and member.raw is None and isinstance(expert.raw, dict):
            yield (
                f"{uri.path}: is missing; add the expert's checkpoint, or `member`, a candidate of "
                "the run that has begun"
            )
        if not member.text:
            continue
        if uri.raw is not None:
            yield f"{member.path}: stands beside uri; keep one of the two"
        if not re.fullmatch(MEMBER_ID, member.text):
            yield (
                f"{member.path}: {shown(member.text)} is no candidate's id, such as c000123; "
                "`cycleqd list` prints those of the archives' members"
            )
        other = seen.setdefault(member.text, member)
        if other is not member:
            yield (
                f"{member.path}: {shown(member.text)} is also {other.path}; name another member "
                "or remove one of the two"
            )
        yield from _without_effect(expert, ("vocabulary",), "member")


def _templates_of_members(spec: Part) -> Iterator[str]:
    """No task's chat template is that of a member, which has none of its own."""
    members = {e.part("name").text for e in spec.parts("experts") if e.part("member").text}
    for task in spec.parts("tasks"):
        writer = task.part("chatTemplateFrom")
        if writer.text in members - {None}:
            yield (
                f"{writer.path}: {shown(writer.text)} is a member of the run and has no chat "
                "template of its own; remove the line, or name an expert with a uri"
            )


def _something_remains(spec: Part) -> Iterator[str]:
    """Not all experts are retired, nor all tasks."""
    for field in ("experts", "tasks"):
        elements = spec.parts(field)
        if elements and all(element.part("retired").raw is True for element in elements):
            yield f"{spec.part(field).path}: all are retired; leave one, or append another"


def _distinct_checkpoints(spec: Part) -> Iterator[str]:
    seen: dict[str, Part] = {}
    base = spec.part("base").part("uri")
    if base.text:
        seen[same_place(base.text)] = base
    for expert in spec.parts("experts"):
        uri = expert.part("uri")
        if not uri.text:
            continue
        other = seen.setdefault(same_place(uri.text), uri)
        if other is base:
            yield (
                f"{uri.path}: {shown(uri.text)} is the base model itself, whose task vector "
                "is zero; name a fine-tuned checkpoint"
            )
        elif other is not uri:
            yield (
                f"{uri.path}: {shown(uri.text)} is also {other.path}; "
                "name another checkpoint or remove one of the two"
            )


def _held_out_items(spec: Part) -> Iterator[str]:
    searches: dict[str, Part] = {}
    for task in spec.parts("tasks"):
        search = task.part("items").part("search")
        if search.text:
            searches.setdefault(same_place(search.text), search)
    for task in spec.parts("tasks"):
        test = task.part("items").part("test")
        found = searches.get(same_place(test.text)) if test.text else None
        if found:
            yield (
                f"{test.path}: {shown(test.text)} is also {found.path}; held-out items must "
                "not guide the search: split the items into two files"
            )


def _bounds(spec: Part) -> Iterator[str]:
    for task in spec.parts("tasks"):
        bounds = task.part("bounds")
        low, high = bounds.part("min").number, bounds.part("max").number
        if low is not None and high is not None and low >= high:
            yield f"{bounds.path}: min {low} must be below max {high}; exchange or widen them"


def _selection(spec: Part) -> Iterator[str]:
    selection = spec.part("evolution").part("selection")
    method, low, high = (
        selection.part("method").text,
        selection.part("low").number,
        selection.part("high").number,
    )
    if method == "Elite" and low is not None and high is not None and low > high:
        yield (
            f"{selection.path}: low {low} is above high {high}, which would prefer the worst "
            "elites; exchange them"
        )
    if method == "Uniform":
        yield from _without_effect(selection, ("low", "high"), "method Uniform")


def _without_effect(part: Part, fields: tuple[str, ...], condition: str) -> Iterator[str]:
    for name in fields:
        field = part.part(name)
        if field.changed or isinstance(field.raw, dict):
            yield f"{field.path}: has no effect with {condition}; remove the line"


MUTATION_IGNORES = {
    "ExpertSVD": ("stddev",),
    "ChildSVD": ("stddev",),
    "Gaussian": ("maxScale", "rank"),
    "None": ("maxScale", "rank", "stddev"),
}
"""By mutation method: its settings that have no effect."""


CROSSOVER_IGNORES = {"Linear": ("line",), "Line": ("mean", "stddev")}
"""By crossover method: its settings that have no effect."""


def _crossover(spec: Part) -> Iterator[str]:
    crossover = spec.part("evolution").part("crossover")
    method = crossover.part("method").text or ""
    yield from _without_effect(crossover, CROSSOVER_IGNORES.get(method, ()), f"method {method}")
    granularity = crossover.part("granularity").text or ""
    if granularity != "Band":
        yield from _without_effect(crossover, ("bands",), f"granularity {granularity}")


def _mutation(spec: Part) -> Iterator[str]:
    mutation = spec.part("evolution").part("mutation")
    method = mutation.part("method").text or ""
    yield from _without_effect(mutation, MUTATION_IGNORES.get(method, ()), f"method {method}")


AGGREGATE_IGNORES = {"Softmax": ("members",), "Front": ("topPerArchive", "temperature")}
"""By aggregate method: its settings that have no effect."""


def _aggregate(spec: Part) -> Iterator[str]:
    aggregate = spec.part("evolution").part("aggregate")
    method = aggregate.part("method").text or ""
    yield from _without_effect(aggregate, AGGREGATE_IGNORES.get(method, ()), f"method {method}")


def _strategy(spec: Part) -> Iterator[str]:
    yield from _chosen(STRATEGIES, "strategy", spec.part("evolution"))


def _task_types(spec: Part) -> Iterator[str]:
    for task in spec.parts("tasks"):
        yield from _chosen(TASK_TYPES, "type", task)


CHAT_ONLY = ("chatTemplateFrom", "systemMessage")
"""Fields of a task that have no effect without ``chat``."""


def _chat(spec: Part) -> Iterator[str]:
    for task in spec.parts("tasks"):
        if task.part("chat").raw in (None, False):
            for name in CHAT_ONLY:
                if task.part(name).changed:
                    yield (
                        f"{task.part(name).path}: has no effect without chat; write chat: true "
                        "beside it, or remove the line"
                    )


def _patterns(spec: Part) -> Iterator[str]:
    for task in spec.parts("tasks"):
        for member in TASK_TYPES.members.values():
            settings = task.part(member)
            for name, field in settings.schema["properties"].items():
                pattern = settings.part(name)
                problem = pattern_problem(pattern.text)
                if field.get("format") == PATTERN_FORMAT and problem is not None:
                    yield f"{pattern.path}: {problem}"


def _chosen(registry: Registry, chooser: str, holder: Part) -> Iterator[str]:
    """What the chosen entry of a registry says of the mapping that chooses it."""
    name = holder.part(chooser).text
    for owner, member in registry.members.items():
        settings = holder.part(member)
        if owner != name and settings.raw is not None:
            yield (
                f"{settings.path}: has no effect with {chooser} {name}; remove it, or write "
                f"{chooser}: {owner}"
            )
    entry = registry.entries.get(name or "")
    if entry is None:
        return
    for shared, why in entry.ignores.items():
        yield from _without_effect(holder, (shared,), f"{chooser} {name}, {why}")
    yield from _needed(entry, chooser, holder)
    if own := registry.members.get(entry.name):
        yield from _overridden(entry, holder.part(own))
    for conflict in entry.conflicts:
        field, other = holder.at(conflict.field), holder.at(conflict.other)
        if field.text in conflict.values and other.text in conflict.others:
            yield (
                f"{field.path}: {field.text} cannot be combined with "
                f"{conflict.other.split('.')[0]} {other.text}, {conflict.because}; "
                f"{conflict.remedy}"
            )


def _needed(entry: type[Registered], chooser: str, holder: Part) -> Iterator[str]:
    for field, why in entry.needs.items():
        section = holder.part(field)
        if section.raw is None:
            yield (
                f"{section.path}: is missing, and {chooser} {entry.name} needs it {why}; add "
                f"`{field}: {{}}` for its defaults, or choose another {chooser}"
            )


def _overridden(entry: type[Registered], settings: Part) -> Iterator[str]:
    for field, others in entry.overrides.items():
        if settings.part(field).raw is not None:
            yield from _without_effect(settings, others, field)


def _pipeline(spec: Part) -> Iterator[str]:
    evolution = spec.part("evolution")
    depth, generations = evolution.part("pipelineDepth"), evolution.part("generations").number
    if (
        depth.changed
        and depth.number is not None
        and generations is not None
        and depth.number > generations
    ):
        yield (
            f"{depth.path}: {depth.number:g} is more than the {generations:g} generations, which "
            f"would all be planned from the experts alone; write {generations:g} or less"
        )


def _goal(spec: Part) -> Iterator[str]:
    goal = spec.part("goal")
    metric, value = goal.part("metric").text, goal.part("value")
    if metric in ("Coverage", "BestMean") and value.number is not None and value.number > 1:
        yield (
            f"{value.path}: {shown(value.raw)} is never reached, {metric} is at most 1; write a "
            "fraction, or metric QDScore"
        )


def _token_limits(spec: Part) -> Iterator[str]:
    longest = spec.part("evaluation").part("maxModelLen")
    for task in spec.parts("tasks"):
        new = task.part("maxNewTokens")
        if new.number is not None and longest.number is not None and new.number >= longest.number:
            yield (
                f"{new.path}: {new.number:g} leaves no room for a prompt within {longest.path} "
                f"= {longest.number:g}; lower maxNewTokens or raise maxModelLen"
            )


RULES: tuple[Callable[[Part], Iterator[str]], ...] = (
    _unique_names,
    _reserved_names,
    _known_expert,
    uris,
    _sources,
    _templates_of_members,
    _something_remains,
    _distinct_checkpoints,
    _held_out_items,
    _bounds,
    _task_types,
    _chat,
    _patterns,
    _selection,
    _crossover,
    _mutation,
    _aggregate,
    _strategy,
    _token_limits,
    _pipeline,
    _goal,
    curriculum,
    ca_bundle,
    s3_settings,
    tracking,
)
"""Every rule between fields."""
