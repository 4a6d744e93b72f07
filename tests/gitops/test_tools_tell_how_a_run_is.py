"""Argo CD, Flux, kstatus and Argo Workflows see of a run what it is, in each of its states.

The statuses are the operator's own decisions. Argo CD's script runs in a real Lua 5.1, the language
of Argo CD's interpreter; Flux' expressions in a real CEL.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import cel
import pytest
import yaml
from lupa.lua51 import LuaRuntime

from cycleqd_operator.api.status import RunStatus
from tests.operator.world import World, evolving, make_run
from tests.project.repository import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cycleqd_operator.kube.objects import Json

FILES = ROOT / "manifests" / "gitops"
WHY = "spec.evolution.candidatesPerGeneration: 0 is too few; take 1 or more"


def _new() -> World:
    return World()


def _just_edited(world: World) -> World:
    world.edit(evolution={"generations": 30})
    return world


def _initializing() -> World:
    world = World()
    world.settle()
    return world


def _suspended() -> World:
    world = evolving()
    world.edit(suspend=True)
    world.settle()
    return world


def _refusing() -> World:
    world = evolving()
    world.edit(evolution={"candidatesPerGeneration": 1})
    world.evolve(1, observed_generation=1, rejected=WHY, rejected_generation=2)
    world.settle()
    return world


def _failed() -> World:
    world = evolving(make_run(activeDeadlineSeconds=60))
    world.pass_time(61)
    world.settle()
    return world


def _failed_and_suspended() -> World:
    world = _failed()
    world.edit(suspend=True)
    world.settle()
    return world


def _unreadable() -> World:
    world = World(make_run(tasks=[]))
    world.settle()
    return world


def _complete() -> World:
    world = evolving()
    world.complete()
    world.pass_time(60)
    world.settle()
    return world


def _asked_for_more() -> World:
    world = _just_edited(_complete())
    world.settle()
    return world


STATES: dict[str, tuple[Callable[[], World], str, str, str]] = {
    "new": (_new, "Progressing", "InProgress", ""),
    "initializing": (_initializing, "Progressing", "InProgress", ""),
    "evolving": (evolving, "Progressing", "Current", ""),
    "just edited": (lambda: _just_edited(evolving()), "Progressing", "InProgress", ""),
    "suspended": (_suspended, "Suspended", "Current", ""),
    "refusing a change": (_refusing, "Degraded", "Failed", ""),
    "failed": (_failed, "Degraded", "Failed", "failed"),
    "failed and suspended": (_failed_and_suspended, "Degraded", "Failed", "failed"),
    "unreadable": (_unreadable, "Degraded", "Failed", "failed"),
    "complete": (_complete, "Healthy", "Current", "succeeded"),
    "complete, just edited": (
        lambda: _just_edited(_complete()),
        "Progressing",
        "InProgress",
        "succeeded",
    ),
    "asked for more": (_asked_for_more, "Progressing", "InProgress", ""),
}
"""How a run comes there; what Argo CD and Flux say; how it ended, in its numbers."""

each = pytest.mark.parametrize("state", STATES)


def _object(state: str) -> Json:
    run = STATES[state][0]().run
    assert run is not None
    return run


def _argo_cd(run: Json) -> tuple[str, str]:
    """Health and message, by the script as Argo CD runs it: with the object as `obj`."""
    lua = LuaRuntime()
    lua.globals()["obj"] = lua.table_from(run, recursive=True)
    found = lua.execute((FILES / "health.lua").read_text("utf-8"))
    return found["status"], found["message"]


def _flux(run: Json) -> str:
    """As Flux decides: the generation first, then the expressions in this order.

    Where a field is not there yet an expression is an error, and Flux goes on waiting.
    """
    (checks,) = yaml.safe_load((FILES / "flux.yaml").read_text("utf-8"))["spec"]["healthCheckExprs"]
    assert (checks["apiVersion"], checks["kind"]) == (run["apiVersion"], run["kind"])
    if (run.get("status") or {}).get("observedGeneration") != run["metadata"]["generation"]:
        return "InProgress"
    for key, word in (("failed", "Failed"), ("current", "Current")):
        if cel.evaluate(checks[key], run):
            return word
    return "InProgress"


@each
def test_argo_cd_says_what_it_is_and_why(state: str) -> None:
    run = _object(state)
    health, message = _argo_cd(run)
    assert health == STATES[state][1]
    told = {condition["message"] for condition in (run.get("status") or {}).get("conditions", [])}
    assert message in told or "not looked at" in message


def test_argo_cd_tells_the_cause() -> None:
    assert WHY in _argo_cd(_object("refusing a change"))[1]
    assert "activeDeadlineSeconds" in _argo_cd(_object("failed"))[1]


@each
def test_flux_waits_for_acceptance_and_fails_with_the_run(state: str) -> None:
    assert _flux(_object(state)) == STATES[state][2]


@each
def test_kstatus_takes_a_run_that_was_looked_at_for_current(state: str) -> None:
    """No condition has a name that kstatus gives a meaning."""
    conditions = (_object(state).get("status") or {}).get("conditions", [])
    assert not {"Ready", "Reconciling", "Stalled"} & {found["type"] for found in conditions}


@each
def test_numbers_tell_the_end_and_nothing_else(state: str) -> None:
    """As `successCondition` and `failureCondition` of Argo Workflows and `kubectl wait` read it."""
    template = yaml.safe_load((FILES / "argo-workflow.yaml").read_text("utf-8"))
    (only,) = template["spec"]["templates"]
    status = _object(state).get("status") or {}
    held = []
    for word in ("success", "failure"):
        asked = re.fullmatch(r"status\.(\w+) == (\d)", only["resource"][f"{word}Condition"])
        assert asked
        held += [asked[1]] if str(status.get(asked[1])) == asked[2] else []
    assert held == [end for end in (STATES[state][3],) if end]
    assert ("completionTime" in status) == bool(held)


@pytest.mark.parametrize("path", sorted(FILES.iterdir()), ids=lambda path: path.name)
def test_files_name_fields_that_a_status_has(path: Path) -> None:
    text = path.read_text("utf-8")
    named = set(re.findall(r"(?<!\w)status\.(\w+)", text))
    fields = {field.alias for field in RunStatus.model_fields.values()}
    assert named
    assert named <= fields
    assert path.name in (ROOT / "docs" / "gitops.md").read_text("utf-8")
