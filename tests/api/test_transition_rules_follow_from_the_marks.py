"""The API server lets the same fields change as the coordinator: its rules stand where marks do."""

from __future__ import annotations

import re

from cycleqd.manifest.schema import manifest_schema
from cycleqd_operator.api.mutability import KEYS, MUTABILITY

_FIXED = {
    "spec.seed",
    "spec.base",
    "spec.curriculum[]",
    "spec.archive",
    *(
        f"spec.evaluation.{field}"
        for field in (
            "engine",
            "dtype",
            "maxModelLen",
            "gpuMemoryUtilization",
            "memoryLimitMib",
        )
    ),
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
    others |= {
        f"spec.{each}[]{field}" for each in ("experts", "tasks") for field in ("", ".retired")
    }
    assert set(MUTABILITY) == _FIXED | others | {"spec.storage", "spec.storage.s3"}


def test_what_decides_the_candidates_is_immutable() -> None:
    for path in _FIXED:
        assert _rules(path) == [("", "is immutable, since")]
        assert MUTABILITY[path][0].rule == "self == oldSelf"


def test_what_is_optional_is_compared_from_what_holds_it() -> None:
    optional = (".preset", ".start", ".tune")
    assert set(_rules("spec.evolution")) >= {(field, "is immutable, since") for field in optional}
    assert _rules("spec.storage") == [(".uri", "is immutable, since")]
    assert _rules("spec.storage.s3") == [
        (".endpoint", "is immutable, since"),
        (".region", "is immutable, since"),
    ]
    assert "has(self.region) == has(oldSelf.region)" in MUTABILITY["spec.storage.s3"][1].rule


def test_who_takes_part_is_retired_for_good_and_else_stays_as_it_is() -> None:
    for each, renewed in (("experts", []), ("tasks", ["items"])):
        place = f"spec.{each}[]"
        assert _rules(f"{place}.retired") == [("", "may only be")]
        assert MUTABILITY[f"{place}.retired"][0].rule == "self || !oldSelf"
        (rule,) = MUTABILITY[place]
        named = " and ".join([*renewed, "retired"])
        assert rule.message.startswith(f"is immutable but for {named}, since")
        whole = manifest_schema()["properties"]["spec"]["properties"][each]["items"]["properties"]
        compared = set(re.findall(r"self\.(\w+) == oldSelf", rule.rule))
        assert compared == {*whole} - {*renewed, "retired"}


def test_lists_and_generations_grow() -> None:
    for path in ("spec.experts", "spec.tasks", "spec.curriculum"):
        assert _rules(path) == [("", "is append-only: the")]
    assert MUTABILITY["spec.evolution.generations"][0].rule == "self >= oldSelf"
