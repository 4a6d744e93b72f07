"""A card has the scores with errors, the licences that are stated, the lineage and the manifest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from cycleqd.cards.facts import card_facts, stated_licence
from cycleqd.cards.text import CardFacts, card
from cycleqd.evolution.metrics import mean_and_error
from cycleqd.manifest.reader import parse_manifest
from cycleqd.run.members import Members, resolve_member
from cycleqd.run.store import RunStore
from tests.run import synthetic


@pytest.fixture(scope="module")
def run() -> RunStore:
    run = synthetic.fresh(generations=3, candidatesPerGeneration=3)
    synthetic.do_everything(run)
    return run


@pytest.fixture(scope="module")
def facts(run: RunStore) -> CardFacts:
    return card_facts(run, resolve_member(run, "balanced"), lambda source: "apache-2.0")


def front_matter(text: str) -> dict[str, Any]:
    return dict(yaml.safe_load(text.split("---\n")[1]))


def test_scores_have_the_errors_of_their_items(run: RunStore, facts: CardFacts) -> None:
    outcomes = Members(run).outcomes(facts.candidate)
    assert outcomes is not None
    text = card(facts, "model")
    for task, marks in outcomes.items():
        mean, error = mean_and_error([[float(mark == "1") for mark in marks]])
        assert f"| {task} | {mean:.3f} ± {error:.3f} | {facts.held_out[task]} |" in text
    summary = run.summary(3)
    assert summary is not None
    row = next(row for row in summary.rows if row.kind == "balanced")
    assert {task: told.value for task, told in facts.held_out.items()} == pytest.approx(row.test)


def test_a_licence_is_stated_where_all_state_it(facts: CardFacts) -> None:
    assert front_matter(card(facts, "model"))["license"] == "apache-2.0"
    first, *others = facts.experts
    unlike = replace(facts, experts=(replace(first, licence="llama3"), *others))
    unsaid = replace(facts, base=replace(facts.base, licence=None))
    for mixed in (unlike, unsaid):
        assert "license" not in front_matter(card(mixed, "model"))
        assert "No single licence" in card(mixed, "model")


def test_the_manifest_in_it_is_one(run: RunStore, facts: CardFacts) -> None:
    shown = card(facts, "model").split("```yaml\n")[1].split("\n```")[0]
    spec = parse_manifest(shown, "card").spec
    whole = run.latest().spec
    assert (spec.seed, spec.tasks, spec.evolution) == (whole.seed, whole.tasks, whole.evolution)
    assert "storage" not in shown


def test_the_lineage_is_that_of_the_run(run: RunStore, facts: CardFacts) -> None:
    text = card(facts, "model")
    for child, parents in Members(run).lineage(facts.candidate).items():
        if parents:
            assert f"- {child} of {', '.join(parents)}" in text


def test_hub_models_are_named_for_the_hub(facts: CardFacts) -> None:
    base = replace(facts.base, uri="hf://org/base@main")
    first, *others = facts.experts
    named = replace(facts, base=base, experts=(replace(first, uri="hf://org/one"), *others))
    merged, adapter = (front_matter(card(named, form)) for form in ("model", "lora"))
    assert merged["base_model"] == ["org/base", "org/one"]
    assert merged["base_model_relation"] == "merge"
    assert (adapter["base_model"], adapter["library_name"]) == (["org/base"], "peft")


def test_a_foreign_text_stays_in_its_cell(facts: CardFacts) -> None:
    hostile = replace(facts.base, uri="models/`|\n# x", licence="mit` | [x](y)")
    text = card(replace(facts, base=hostile), "model")
    (line,) = (line for line in text.splitlines() if line.startswith("| base |"))
    assert line.count("|") == 6
    assert "\n# x" not in text


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ("---\nlicense: mit\n---\n# x\n", "mit"),
        ("---\nlicense: [mit]\n---\n", None),
        ("---\n: : :\n---\n", None),
        ("# license: mit\n", None),
        ("text\n---\nlicense: mit\n---\n", None),
        ("", None),
    ],
)
def test_what_a_checkpoint_states(text: str, licence: str | None, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(text)
    assert stated_licence(tmp_path) == licence
    assert stated_licence(tmp_path / "missing") is None
