"""Presets of the search: sections of ``spec.evolution`` that are chosen together, by one name.

The API server fills in the defaults of what a manifest leaves out, so a section that nobody wrote
and one that holds nothing but its defaults are the same; both are the preset's. What a preset says
never changes, since runs in stores are continued by manifests that name it: a better one gets
another name.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from cycleqd.manifest.evolution import Aggregate, Crossover, Mutation, Selection, Start, Tune
from cycleqd.manifest.values import DOCUMENT, Model

Sections = Mapping[str, Mapping[str, Any]]

_GRADIENT_FREE: Sections = {
    # Few evaluations are for parents that are good at everything; archives keep the specialists.
    "selection": {"low": "0.1", "high": "1"},
    "start": {"rays": 6, "design": 6},
    "crossover": {"method": "Line", "granularity": "Band"},
    "mutation": {"method": "None"},
    "aggregate": {"method": "Front"},
}

_DEFAULT: Sections = {
    **_GRADIENT_FREE,
    "start": {"rays": 6, "design": 2},
    "crossover": {"method": "Line", "granularity": "Band", "soup": {"share": "0.5"}},
    "tune": {"share": "0.3", "epochs": 3, "rays": 3, "holdOutShare": "0.2"},
}

PRESETS: Mapping[str, Sections] = MappingProxyType(
    {
        "Default": _DEFAULT,
        "Distilled": {**_DEFAULT, "tune": {**_DEFAULT["tune"], "distillation": "0.5"}},
        "GradientFree": _GRADIENT_FREE,
        "Paper": {},
        "Rounds": {
            **_DEFAULT,
            "start": {"rays": 6, "design": 0},
            "tune": {"share": "0.7", "epochs": 2, "rays": 3, "distillation": "0.5"},
        },
        "Reference": {
            "selection": {"method": "ReferenceElite"},
            "crossover": {"stddev": "0.01"},
        },
    }
)
"""Sections by preset and name, as a manifest spells them; others have their defaults."""

_SECTIONS: Mapping[str, type[Model]] = MappingProxyType(
    {
        "selection": Selection,
        "start": Start,
        "crossover": Crossover,
        "mutation": Mutation,
        "tune": Tune,
        "aggregate": Aggregate,
    }
)
_OPTIONAL = frozenset({"start", "tune"})
"""Sections that mean something by standing there, even with nothing but defaults."""


def with_preset(document: dict[str, Any]) -> dict[str, Any]:
    """A manifest's document with the sections of the preset that it names.

    Args:
        document: as read; faults of it are left to others to tell.

    Returns:
        The document, or a copy of it with the sections filled in.
    """
    spec = document.get("spec")
    evolution = spec.get("evolution") if isinstance(spec, dict) else None
    name = evolution.get("preset") if isinstance(evolution, dict) else None
    sections = PRESETS.get(name) if isinstance(name, str) else None
    if not sections:
        return document
    assert isinstance(spec, dict)
    assert isinstance(evolution, dict)
    chosen = {
        section: dict(values)
        for section, values in sections.items()
        if _is_unsaid(section, evolution.get(section))
    }
    return {**document, "spec": {**spec, "evolution": {**evolution, **chosen}}}


def _is_unsaid(section: str, value: object) -> bool:
    if value is None:
        return True
    if section in _OPTIONAL:
        return False
    model = _SECTIONS[section]
    try:
        written = model.model_validate(value, by_alias=True, by_name=False, context=DOCUMENT)
    except ValidationError:
        return False
    return written == model()
