"""The benchmark's manifests are valid, comparable, and of about the same budget."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from benchmarks.ablation import STEPS
from benchmarks.comparison import FINAL_ITEMS, QUICKSTART, SHIPPED, Material
from benchmarks.quickstart import METHODS, POOLED, write_manifest

from cycleqd.compare.agreement import check_agreement
from cycleqd.evolution.strategies.tuned_scalar import TunedScalarSettings
from cycleqd.manifest.changes import differences
from cycleqd.manifest.reader import load_manifest

if TYPE_CHECKING:
    from pathlib import Path

    from cycleqd.manifest.model import Manifest

TUNE_WORTH = 5
"""Evaluations that a tune costs."""


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return Material("out/demo/smollm2", tmp_path_factory.mktemp("benchmark"), 3)


@pytest.fixture(scope="module")
def manifests(given: Material) -> dict[str, Manifest]:
    return {name: load_manifest(write_manifest(name, given)) for name in (*METHODS, POOLED)}


@pytest.fixture(scope="module")
def steps(given: Material) -> list[Manifest]:
    return [load_manifest(given.write_manifest(name, STEPS[name])) for name in STEPS]


def test_methods_are_comparable_and_the_pooled_expert_is_their_reference(
    manifests: dict[str, Manifest],
) -> None:
    pooled = manifests[POOLED]
    check_agreement([manifests[name] for name in METHODS], [pooled])
    assert [expert.uri for expert in pooled.spec.experts] == ["out/demo/smollm2/experts/pooled"]


def test_tunes_are_those_of_the_shipped_manifest_in_the_time_of_80_evaluations(
    manifests: dict[str, Manifest],
) -> None:
    shipped = manifests["cycleqd"].spec.evolution.tune
    grid = TunedScalarSettings().grid
    for name, scalars in (("tuned-scalar", grid), ("tuned-0-75", 0), ("tuned-base", 0)):
        evolution = manifests[name].spec.evolution
        assert evolution.tune == shipped
        tunes = evolution.generations * evolution.candidates_per_generation - scalars
        assert tunes == 14
        assert scalars + TUNE_WORTH * tunes <= 80


def test_steps_are_comparable_and_hold_the_shipped_search(
    manifests: dict[str, Manifest], steps: list[Manifest]
) -> None:
    check_agreement(steps)
    assert [step.metadata.name for step in steps][-2:] == ["cycleqd", "racing"]
    shared = [step for step in steps if step.metadata.name in manifests]
    assert shared == [manifests[name] for name in ("paper", "gradient-free", "cycleqd")]
    assert manifests["cycleqd"].spec.evolution == load_manifest(QUICKSTART).spec.evolution


def test_a_step_changes_what_it_says(steps: list[Manifest]) -> None:
    changed = [
        {path.split(".")[2] for path, _, _ in differences(before, after) if "evolution" in path}
        for before, after in pairwise(steps)
    ]
    assert changed == [
        {"cycleInterval"},
        {"mutation"},
        {"selection"},
        {"start", "crossover"},
        {"preset", "mutation", "selection", "aggregate"},
        {"preset", "generations", "start", "tune"},
        {"generations", "tune"},
        {"crossover"},
        {"preset", "tune"},
        {"preset", "candidatesPerGeneration", "start", "tune"},
        {"race"},
    ]


def test_plain_steps_have_80_evaluations_and_tuned_ones_about_their_time(
    steps: list[Manifest],
) -> None:
    for step in steps:
        evolution = step.spec.evolution
        children = evolution.generations * evolution.candidates_per_generation
        tune = evolution.tune
        if tune is None:
            assert children == 80
            continue
        assert evolution.start is not None
        rest = children - evolution.start.rays - evolution.start.design - tune.rays
        tuned = tune.rays + tune.share * rest
        assert 60 <= children + (TUNE_WORTH - 1) * tuned <= 80


def test_other_models_are_asked_the_same(given: Material, tmp_path: Path) -> None:
    usual = load_manifest(given.write_manifest("one", SHIPPED)).spec
    tiny = load_manifest(Material("out/demo/tiny", tmp_path, 3).write_manifest("one", SHIPPED)).spec
    assert tiny.base.uri == "out/demo/tiny/base"
    assert [expert.uri for expert in tiny.experts] == [
        f"out/demo/tiny/experts/{expert.name}" for expert in usual.experts
    ]
    for ours, theirs in zip(tiny.tasks, usual.tasks, strict=True):
        assert ours.items.search == f"out/demo/tiny/data/{ours.name}.search.jsonl"
        assert ours.items.search_limit == theirs.items.search_limit
        held_out = (tmp_path / f"{ours.name}.final-3.jsonl").read_text()
        assert len(held_out.splitlines()) == FINAL_ITEMS
        assert held_out == (given.folder / f"{ours.name}.final-3.jsonl").read_text()
    assert (tiny.evolution, tiny.evaluation) == (usual.evolution, usual.evaluation)
