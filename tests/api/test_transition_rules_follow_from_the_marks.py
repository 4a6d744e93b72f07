"""The API server lets the same fields change as the coordinator: its rules stand where marks do."""

from __future__ import annotations

import re

from cycleqd.manifest.schema import manifest_schema
from cycleqd_operator.api.mutability import KEYS, MUTABILITY

_FIXED = {
    "spec.seed",
    "spec.base",
    "spec.experts[]",
    "spec.curriculum[]",
    "spec.archive",
    "spec.evaluation",
    "spec.workers.threads",
    *(
        f"spec.evolution.{field}"
        for field in (
            "strategy",
            "candidatesPerGeneration",
            "cycleInterval",
            "pipelineDepth",
            "selection",
            "crossover",
            "mutation",
            "aggregate",
        )
    ),
}


def _rules(path: str) -> list[tuple[str, str]]:
    """Field and beginning of the message of each rule at a path."""
    return [(rule.field, " ".join(rule.message.split()[:3])) for rule in MUTABILITY[path]]


def test_rules_stand_where_a_change_would_be_refused() -> None:
    others = {*KEYS, "spec.evolution", "spec.evolution.generations"}
    in_part = {"spec.tasks[]", "spec.storage", "spec.storage.s3"}
    assert set(MUTABILITY) == _FIXED | others | in_part


def test_what_decides_the_candidates_is_immutable() -> None:
    for path in _FIXED:
        assert _rules(path) == [("", "is immutable, since")]
        assert MUTABILITY[path][0].rule == "self == oldSelf"


def test_a_task_that_is_there_may_get_other_items_and_nothing_else() -> None:
    (rule,) = MUTABILITY["spec.tasks[]"]
    assert rule.message.startswith("is immutable but for items, since")
    parts = rule.rule.split(" && has(")
    compared = {re.findall(r"self\.(\w+)", part)[0] for part in parts}
    tasks = manifest_schema()["properties"]["spec"]["properties"]["tasks"]
    assert compared == {*tasks["items"]["properties"]} - {"items", "type"}
    assert parts[0] == "self.name == oldSelf.name && self.type == oldSelf.type"


def test_what_is_optional_is_compared_from_what_holds_it() -> None:
    optional = (".preset", ".start", ".tune")
    assert set(_rules("spec.evolution")) >= {(field, "is immutable, since") for field in optional}
    assert _rules("spec.storage") == [(".uri", "is immutable, since")]
    assert _rules("spec.storage.s3") == [
        (".endpoint", "is immutable, since"),
        (".region", "is immutable, since"),
    ]
    assert "has(self.region) == has(oldSelf.region)" in MUTABILITY["spec.storage.s3"][1].rule


def test_lists_and_generations_grow() -> None:
    for path in ("spec.experts", "spec.tasks", "spec.curriculum"):
        assert _rules(path) == [("", "is append-only: the")]
    assert MUTABILITY["spec.evolution.generations"][0].rule == "self >= oldSelf"
