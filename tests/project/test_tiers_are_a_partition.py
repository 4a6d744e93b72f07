"""Every test runs in exactly one tier of `make test`, whatever its markers."""

from __future__ import annotations

import tomllib
from itertools import combinations
from typing import TYPE_CHECKING

import pytest

from .repository import ROOT, load_script

if TYPE_CHECKING:
    from collections.abc import Collection

TEST = load_script("test")
TIERS: dict[str, str] = TEST.TIERS
TIER_MARKERS = (
    "pods",
    "browser",
    "runtime",
    "vllm",
    "s3",
    "controlplane",
    "scale",
    "nodes",
    "slow",
)
SUBSETS = [subset for n in range(len(TIER_MARKERS) + 1) for subset in combinations(TIER_MARKERS, n)]


@pytest.mark.parametrize("markers", SUBSETS, ids="+".join)
def test_exactly_one_tier(markers: tuple[str, ...]) -> None:
    # A tier's expression is made of names, `and`, `or`, `not`: Python reads it as pytest does.
    having = {name: name in markers for name in TIER_MARKERS}
    chosen = [tier for tier, expression in TIERS.items() if eval(expression, {}, having)]
    assert len(chosen) == 1


def test_tiers_know_all_markers() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    declared = settings["tool"]["pytest"]["ini_options"]["markers"]
    assert [line.split(":")[0] for line in declared] == list(TIER_MARKERS)


@pytest.mark.parametrize(
    "chosen", [set(TIERS), {"slow", "fast"}, {"nodes"}], ids=["all", "two", "one"]
)
def test_every_chosen_tier_runs_once(chosen: Collection[str]) -> None:
    planned = [tier for stage in TEST.tiers.plan(chosen) for tier in stage]
    assert sorted(planned) == sorted(chosen)
