"""A page of Jobs or pods is what trimming makes of it, though most of it is never parsed."""

from __future__ import annotations

import json
import tracemalloc
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cycleqd_operator.kube import typed_pages
from cycleqd_operator.kube.pages import parse_page
from cycleqd_operator.kube.trimming import trim
from cycleqd_operator.kube.typed_pages import read_page
from tests.controller.test_pages_are_parsed_object_by_object import JSON
from tests.controller.test_trimmed_objects_keep_what_decides import JOB, META, POD

KINDS = {"Job": JOB, "Pod": POD}
PAGE = {"kind": "List", "metadata": {"resourceVersion": "7", "continue": "x"}}

KEYS = ("metadata", "spec", "status", "conditions", "name", "labels", "data", "containerStatuses")
ODD = st.recursive(
    JSON | st.floats(allow_nan=True),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*KEYS, "phase", "cycleqd.io/run"]), inner, max_size=5)
    ),
    max_leaves=15,
)


def page(*items: Any) -> str:
    return json.dumps(PAGE | {"items": items})


def outcome(text: str, read: Any) -> tuple[str, str]:
    """What reading gives, as text, since NaN is nothing's equal; or how it fails."""
    try:
        return "read", json.dumps(read(text), sort_keys=True)
    except ValueError:
        return "refused", ""
    except (AttributeError, TypeError) as error:
        return "odd", type(error).__name__


def generally(kind: str, text: str) -> tuple[str, str]:
    """The same by the way of all kinds."""
    return outcome(text, partial(parse_page, keep=partial(trim, kind)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_is_as_trimming_makes_it(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    full = KINDS[kind]
    bare = {"metadata": META, "spec": None, "status": None}
    text = page(full, bare, {"metadata": None}, {}, full | {"status": {}})
    expected = parse_page(text, partial(trim, kind))
    monkeypatch.delattr(typed_pages, "parse_page")
    assert read_page(kind, text) == expected
    assert expected["metadata"] == PAGE["metadata"]


@pytest.mark.parametrize("kind", [*KINDS, "ConfigMap"])
@given(odd=ODD, metadata=ODD, status=ODD)
def test_what_no_schema_allows_makes_no_difference(
    kind: str, odd: Any, metadata: Any, status: Any
) -> None:
    text = page(odd, {"metadata": metadata, "spec": odd, "status": status})
    assert outcome(text, partial(read_page, kind)) == generally(kind, text)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"items": 1}', "null", page(JOB)[:-5], "{" * 9])
def test_what_is_no_page_is_told_from_one(text: str) -> None:
    assert outcome(text, partial(read_page, "Job")) == generally("Job", text)


@pytest.mark.parametrize("where", ["metadata", "status"])
@pytest.mark.parametrize("levels", [90, 900, 50_000])
def test_a_deep_pod_hides_no_other(levels: int, where: str) -> None:
    deep = f'{{"{where}": {{"conditions": {"[" * levels}{"]" * levels}}}}}'
    text = page(POD, {}, POD).replace("{}", deep, 1)
    first, _, last = read_page("Pod", text)["items"]
    assert first == last == trim("Pod", POD)


def test_what_is_skipped_takes_no_memory() -> None:
    wrote: list[Any] = [{"fieldsV1": {f"f:{number}": {}}} for number in range(100_000)]
    text = page(*[{"metadata": META | {"managedFields": wrote}}] * 2)
    tracemalloc.start()
    try:
        found = read_page("Job", text)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found["items"] == [{"metadata": META, "spec": {}}] * 2
    assert peak < len(text) / 10
