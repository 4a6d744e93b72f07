"""The benchmark's manifests are valid, comparable, and of about the same budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from benchmarks.quickstart import METHODS, POOLED, write_manifest

from cycleqd.compare.agreement import check_agreement
from cycleqd.demo.skills import SKILLS
from cycleqd.evolution.strategies.tuned_scalar import TunedScalarSettings
from cycleqd.manifest.reader import load_manifest

if TYPE_CHECKING:
    from cycleqd.manifest.model import Manifest

TUNE_WORTH = 5
"""Evaluations that a tune costs."""


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Manifest]:
    folder = tmp_path_factory.mktemp("benchmark")
    items = {skill: folder / f"{skill}.jsonl" for skill in SKILLS}
    return {name: load_manifest(write_manifest(name, folder, items)) for name in (*METHODS, POOLED)}


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
