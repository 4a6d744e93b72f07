"""A model card as text: YAML front matter, then Markdown. Pure.

Names of tasks and experts are safe by the manifest's rules; addresses and settings are whatever
somebody wrote, so they stand in code, and never end it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import yaml

Form = Literal["model", "lora"]

MAX_LINEAGE = 40
"""Ancestors that a card names."""

UNKNOWN = "not stated"


@dataclass(frozen=True)
class Estimate:
    """A share of solved items with its standard error."""

    value: float
    error: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ± {self.error:.3f}"


@dataclass(frozen=True)
class Ingredient:
    """A checkpoint that a model is made of.

    Attributes:
        name: what the run calls it.
        uri: as the manifest writes it.
        digest: of its weights.
        licence: what its own card says, None where it says nothing.
        share: mean coefficient of an expert's task vector; None for the base.
    """

    name: str
    uri: str
    digest: str
    licence: str | None
    share: float | None = None


@dataclass(frozen=True)
class CardFacts:
    """What a card says.

    Attributes:
        run: name of the run.
        run_id: its id.
        version: of cycleqd.
        candidate: the model's id.
        generation: the last committed generation, which scores and lineage are as of.
        evaluations: candidates evaluated until then.
        base: the base model.
        experts: the experts, in the manifest's order.
        search: scores on the search items by task, empty where they are not known.
        held_out: the same on the held-out items.
        parents: ancestors with their parents, children first, itself included.
        settings: what of the manifest decides the result, as its document.
    """

    run: str
    run_id: str
    version: str
    candidate: str
    generation: int
    evaluations: int
    base: Ingredient
    experts: tuple[Ingredient, ...]
    search: Mapping[str, Estimate]
    held_out: Mapping[str, Estimate]
    parents: Mapping[str, Sequence[str]]
    settings: Mapping[str, Any]


def card(facts: CardFacts, form: Form) -> str:
    """The whole card.

    Args:
        facts: what to say.
        form: whether the weights are a whole model or an adapter of the base.
    """
    return "\n".join(
        [
            "---",
            yaml.safe_dump(_front_matter(facts, form), sort_keys=False).rstrip(),
            "---",
            "",
            *_introduction(facts, form),
            *_scores(facts),
            *_ingredients(facts),
            *_lineage(facts),
            *_reproduction(facts, form),
        ]
    )


def common_licence(ingredients: Iterable[Ingredient]) -> str | None:
    """The licence that all ingredients state; None where one states none or another."""
    found = {ingredient.licence for ingredient in ingredients}
    return found.pop() if len(found) == 1 else None


def _front_matter(facts: CardFacts, form: Form) -> dict[str, Any]:
    everything = [facts.base, *facts.experts]
    hub = [_hub_name(facts.base.uri)] if form == "lora" else [_hub_name(i.uri) for i in everything]
    named = [name for name in hub if name is not None]
    licence = common_licence(everything)
    matter: dict[str, Any] = {
        "library_name": "peft" if form == "lora" else "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["cycleqd", "merge", "quality-diversity"],
    }
    if named:
        matter["base_model"] = named
        matter["base_model_relation"] = "adapter" if form == "lora" else "merge"
    if licence is not None:
        matter["license"] = licence
    return matter


def _hub_name(uri: str) -> str | None:
    if not uri.startswith("hf://"):
        return None
    return uri.removeprefix("hf://").partition("@")[0]


def _introduction(facts: CardFacts, form: Form) -> list[str]:
    what = "A LoRA adapter of the base model" if form == "lora" else "A language model"
    text = (
        f"{what}, merged of {len(facts.experts)} experts by quality diversity "
        "([CycleQD](https://arxiv.org/abs/2410.14735)) with cycleqd "
        f"{facts.version}, run `{facts.run_id}`, after generation {facts.generation} "
        f"({facts.evaluations} evaluations)."
    )
    return [f"# {facts.run}: {facts.candidate}", "", text, ""]


def _scores(facts: CardFacts) -> list[str]:
    meaning = (
        "Shares of solved items with their standard errors over items. The search items guided the "
        "search, so those scores are too high; the held-out items were looked at once."
    )
    lines = [
        "## Scores",
        "",
        meaning,
        "",
        "| task | search items | held-out items |",
        "|---|---|---|",
    ]
    for task in dict.fromkeys([*facts.search, *facts.held_out]):
        row = (facts.search.get(task), facts.held_out.get(task))
        shown = ["not asked" if estimate is None else str(estimate) for estimate in row]
        lines.append(f"| {task} | {shown[0]} | {shown[1]} |")
    return [*lines, ""]


def _ingredients(facts: CardFacts) -> list[str]:
    lines = [
        "## Made of",
        "",
        "| | checkpoint | licence it states | mean share of its task vector | digest |",
        "|---|---|---|---|---|",
    ]
    for one in (facts.base, *facts.experts):
        share = "" if one.share is None else f"{one.share:.3f}"
        licence = UNKNOWN if one.licence is None else _code(one.licence)
        lines.append(
            f"| {one.name} | {_code(one.uri)} | {licence} | {share} | {_code(one.digest)} |"
        )
    if common_licence([facts.base, *facts.experts]) is None:
        warning = (
            "No single licence is stated by all of them, so this card states none: see what each "
            "of them allows before you use or pass on this model."
        )
        lines += ["", warning]
    return [*lines, ""]


def _lineage(facts: CardFacts) -> list[str]:
    made = [(child, parents) for child, parents in facts.parents.items() if parents]
    if not made:
        return []
    lines = ["## Lineage", "", *(f"- {c} of {', '.join(p)}" for c, p in made[:MAX_LINEAGE])]
    if len(made) > MAX_LINEAGE:
        lines.append(f"- and {len(made) - MAX_LINEAGE} ancestors more")
    return [*lines, ""]


def _reproduction(facts: CardFacts, form: Form) -> list[str]:
    document = {
        "apiVersion": "cycleqd.io/v1alpha1",
        "kind": "CycleQDRun",
        "metadata": {"name": facts.run},
        "spec": dict(facts.settings),
    }
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True).rstrip()
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    flag = " --format lora" if form == "lora" else ""
    how = (
        f"With cycleqd {facts.version} and this manifest as `run.yaml` (where its items and "
        "checkpoints lie is up to you; their content decides):"
    )
    return [
        "## How to reproduce",
        "",
        how,
        "",
        "```console",
        "cycleqd run run.yaml --store STORE",
        f"cycleqd export STORE --member {facts.candidate} --out model{flag}",
        "cycleqd verify STORE",
        "```",
        "",
        f"{fence}yaml",
        text,
        fence,
        "",
    ]


def _code(text: str) -> str:
    """A foreign text in a cell of a table, where it is code and stays in its cell."""
    shown = "".join(c if c.isprintable() and c not in "`|" else "_" for c in text)
    return f"`{shown}`"
