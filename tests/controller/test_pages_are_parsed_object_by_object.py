"""A page of a LIST is read as Python reads it, each object made small before the next is parsed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cycleqd_operator.kube.pages import parse_page

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet='a"\\[]{},: é\n', max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text('ab"{]', max_size=3) | st.just("items"), inner, max_size=3)
    ),
    max_leaves=20,
)


def same(item: Any) -> Any:
    return item


def refused(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return True
    return False


@given(value=JSON, indent=st.sampled_from([None, 1]))
def test_what_is_json_is_read_as_json(value: Any, indent: int | None) -> None:
    text = json.dumps(value, indent=indent)
    assert parse_page(f" {text}\n", same) == value


@given(value=JSON, at=st.integers(0, 60), instead=st.sampled_from(["", "x", ",", "]", "}", ":"]))
def test_what_is_no_json_is_refused(value: Any, at: int, instead: str) -> None:
    text = json.dumps({"items": [value]})
    text = text[:at] + instead + text[at + 1 :]
    assert refused(lambda text: parse_page(text, same), text) == refused(json.loads, text)


def test_each_object_is_made_small_in_turn() -> None:
    seen: list[int] = []

    def keep(item: dict[str, Any]) -> dict[str, Any]:
        seen.append(item["number"])
        return {"kept": item["number"]}

    items = [{"number": number, "items": [{"inner": 1}]} for number in range(3)]
    page = json.dumps({"kind": "List", "items": items, "metadata": {"continue": "x"}})
    found = parse_page(page, keep)
    assert found["items"] == [{"kept": 0}, {"kept": 1}, {"kept": 2}]
    assert found["metadata"] == {"continue": "x"}
    assert seen == [0, 1, 2]
    assert parse_page('{"items": null}', keep) == {"items": None}


@pytest.mark.parametrize("levels", [500, 5_000])
def test_a_deep_object_hides_no_other(levels: int) -> None:
    deep = '{"a":' * levels + "1" + "}" * levels
    found = parse_page(f'{{"items": [{{"x": 1}}, {deep}, {{"x": 2}}]}}', lambda item: {**item})
    assert (len(found["items"]), found["items"][2]) == (3, {"x": 2})
