"""Whatever stands in a document, reading it gives a manifest or a `ManifestError`, nothing else.

Hypothesis edits a valid document at random places with random values, and feeds random text. Each
line of an error is one line, printable, and begins with a field's path or the source.
"""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cycleqd.errors import ManifestError
from cycleqd.manifest.reader import parse_manifest
from cycleqd.manifest.schema import canonical

from .documents import VALID, as_yaml

DOCUMENT = yaml.safe_load(VALID)
KEYS = st.sampled_from(
    ["name", "uri", "expert", "low", "max", "method", "stddev", "s3", "items", "x y", "", "ü", "<<"]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=10**400, max_value=10**401),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["base", "None", "Uniform", "s3://a:b@c", "hf://", "\ud800", "~", "python"]),
)
QUOTED = r'\["(?:[^"\\]|\\.)*"\]'
PROBLEM = re.compile(rf"(run\.yaml|(\w+|{QUOTED})(\.\w+|\[\d+\]|{QUOTED})*): \S")
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


def places(node: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    steps = node.items() if isinstance(node, dict) else enumerate(node)
    for step, part in steps:
        found.append((node, step))
        if isinstance(part, dict | list):
            found += places(part)
    return found


@st.composite
def edited_documents(draw: st.DrawFn) -> Any:
    document = copy.deepcopy(DOCUMENT)
    for _ in range(draw(st.integers(1, 3))):
        container, step = draw(st.sampled_from(places(document)))
        action = draw(st.sampled_from(["replace", "remove", "add", "repeat"]))
        if action == "replace":
            container[step] = draw(VALUES)
        elif action == "remove" and len(container) > 1:
            del container[step]
        elif isinstance(container, dict):
            container[draw(KEYS)] = draw(VALUES)
        else:
            container.append(copy.deepcopy(container[step]))
    return document


def check(text: str) -> None:
    problems: tuple[str, ...] = ()
    try:
        manifest = parse_manifest(text, "run.yaml")
    except ManifestError as error:
        problems = error.problems
    else:
        assert parse_manifest(json.dumps(canonical(manifest)), "again") == manifest
        return
    assert problems
    for line in problems:
        assert line.isprintable(), line
        assert PROBLEM.match(line), line


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(edited_documents(), st.booleans())
def test_any_edit(document: Any, as_json: bool) -> None:
    check(json.dumps(document) if as_json else as_yaml(document))


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=200) | st.text(alphabet="{}[]:,-&*a1\n \"'#|>!%@`", max_size=60))
def test_any_text(text: str) -> None:
    check(text)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(VALID)), st.integers(0, 40), st.text(max_size=5))
def test_any_cut(start: int, length: int, filling: str) -> None:
    check(VALID[:start] + filling + VALID[start + length :])
