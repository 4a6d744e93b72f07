"""A registry's line that is wrong is named when the sources are loaded, not in somebody's run."""

from __future__ import annotations

import pytest

from cycleqd.manifest.choices import with_settings
from cycleqd.manifest.evolution import Evolution
from cycleqd.manifest.registry import Registered, Registry
from cycleqd.manifest.values import Model


class Fields(Model):
    """Settings."""

    depth: int = 1
    """A number."""


class Plain(Registered):
    name = "Plain"
    summary = "(nothing of its own)"


class Same(Plain):
    summary = "(another of the name)"


class CMAES(Registered):
    name = "CMAES"
    summary = "(an acronym)"
    settings_model = Fields


class MAPElites(Registered):
    name = "MAPElites"
    summary = "(begins with one)"
    settings_model = Fields


class Selection(Registered):
    name = "Selection"
    summary = "(called like a field)"
    settings_model = Fields


def registry(*names: str) -> Registry:
    return Registry(*(f"{__name__}:{name}" for name in names))


def test_settings_are_called_like_their_entry() -> None:
    found = registry("Plain", "CMAES", "MAPElites")
    assert found.names == ("Plain", "CMAES", "MAPElites")
    assert found.members == {"CMAES": "cmaes", "MAPElites": "mapElites"}


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (("Plain", "Absent"), "Absent: names no class of a strategy or task type"),
        (("Fields",), "Fields: names no class of a strategy or task type"),
        (("Plain", "Same"), "Same: Plain is registered already"),
    ],
)
def test_a_line_names_a_class_of_its_own(names: tuple[str, ...], problem: str) -> None:
    with pytest.raises(TypeError, match=problem):
        _ = registry(*names).entries


def test_settings_hide_no_field() -> None:
    with pytest.raises(TypeError, match="selection: a field of Evolution already"):
        with_settings(registry("Selection"), "strategy")(Evolution)
