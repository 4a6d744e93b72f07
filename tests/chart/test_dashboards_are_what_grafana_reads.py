"""Dashboards are current, explained, bound to no Grafana, and hold only what Grafana's models know.

The models are those of Grafana's own SDK: what it does not know it drops, and that is looked for.
"""

from __future__ import annotations

import json
import re
from itertools import combinations
from typing import TYPE_CHECKING

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.project.repository import load_script

from .rendering import CHART, EVERYTHING, HELMS, Json, one, render

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILES = sorted((CHART / "files" / "dashboards").glob("*.json"))
GENERATE = load_script("generate-dashboards")
BUILT_IN = {"__rate_interval", "1"}
"""Grafana's own variable, and the group of a regular expression."""

each = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def _parts(value: object) -> Iterator[Json]:
    """All objects inside of a value, itself included."""
    if isinstance(value, dict):
        yield value
    for part in value.values() if isinstance(value, dict) else value:
        if isinstance(part, (dict, list)):
            yield from _parts(part)


def _unknown(given: object, read: object, path: str) -> Iterator[str]:
    """Where a document says what was not read."""
    if isinstance(given, dict) and isinstance(read, dict):
        for key, value in given.items():
            yield from _unknown(value, read.get(key), f"{path}.{key}")
    elif isinstance(given, list) and isinstance(read, list) and len(given) == len(read):
        for place, pair in enumerate(zip(given, read, strict=True)):
            yield from _unknown(*pair, f"{path}[{place}]")
    elif given != read:
        yield path


def test_files_are_current() -> None:
    wanted = GENERATE.contents()
    assert set(wanted) == set(FILES)
    assert {path: path.read_text("utf-8") for path in FILES} == wanted


@each
def test_grafana_knows_every_key(path: Path) -> None:
    register_default_plugins()
    board = json.loads(path.read_text("utf-8"))
    read = json.loads(JSONEncoder().encode(Dashboard.from_json(board)))
    assert list(_unknown(board, read, "")) == []
    assert board["schemaVersion"] == Dashboard().schema_version


@each
def test_panels_are_explained_and_bound_to_no_grafana(path: Path) -> None:
    board = json.loads(path.read_text("utf-8"))
    sources = [part["datasource"] for part in _parts(board) if "datasource" in part]
    assert len(sources) > len(board["panels"])
    assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)
    assert len({panel["title"] for panel in board["panels"]}) == len(board["panels"])
    for panel in board["panels"]:
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["targets"]
        if panel["type"] == "timeseries":
            assert all(target["legendFormat"] != "__auto" for target in panel["targets"])


@each
def test_every_variable_is_declared_and_used(path: Path) -> None:
    board = json.loads(path.read_text("utf-8"))
    declared = {variable["name"] for variable in board["templating"]["list"]}
    asked = [part["expr"] for part in _parts(board) if "expr" in part]
    asked += [part["query"] for part in _parts(board) if isinstance(part.get("query"), str)]
    used = {name for text in asked for name in re.findall(r"\$(\w+)", text)} - BUILT_IN
    assert used | {"datasource"} == declared


@each
def test_panels_do_not_overlap(path: Path) -> None:
    places = [panel["gridPos"] for panel in json.loads(path.read_text("utf-8"))["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for this, other in combinations(places, 2):
        assert not all(
            this[start] < other[start] + other[size] and other[start] < this[start] + this[size]
            for start, size in (("x", "w"), ("y", "h"))
        )


@pytest.mark.controlplane
@pytest.mark.parametrize("helm", HELMS)
def test_the_chart_brings_them_to_the_side_car(helm: str) -> None:
    found = render(EVERYTHING, helm)
    for path in FILES:
        shipped = one(found, "ConfigMap", f"cycleqd-operator-dashboard-{path.stem}")
        labels = shipped["metadata"]["labels"]
        assert (labels["grafana_dashboard"], labels["dashboards"]) == ("1", "yes")
        assert shipped["metadata"]["annotations"] == {"grafana_folder": "CycleQD"}
        ((name, text),) = shipped["data"].items()
        assert name == f"cycleqd-{path.name}"
        assert json.loads(text) == json.loads(path.read_text("utf-8"))
    assert not [o for o in render({}, helm) if o["kind"] == "ConfigMap"]
