"""A dataset that cannot be used is refused with all its problems, each naming line and field."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from cycleqd.errors import DatasetError
from cycleqd.evaluation.sandbox import Sandbox
from cycleqd.evaluation.tasks import LoadedTask, load_task

GOOD: dict[str, dict[str, Any]] = {
    "exact": {"answer": "x"},
    "number": {"answer": 1.5},
    "python": {"tests": "assert True"},
    "sql": {"database": "CREATE TABLE t (a)", "rows": [[1]]},
    "shell": {"files": {"a": "b"}, "stdout": ""},
}


def load(path: Path, kind: str, **more: Any) -> LoadedTask:
    limits = {"max_new_tokens": 5, "timeout_seconds": 5, "memory_mib": 512}
    return load_task("name", kind, path, sandbox=Sandbox(), **limits, **more)


def write(path: Path, *items: object) -> Path:
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    return path


@pytest.mark.parametrize("kind", sorted(GOOD))
def test_good_items_load(kind: str, tmp_path: Path) -> None:
    items = [{"id": str(i), "prompt": f"p{i}", **GOOD[kind]} for i in range(3)]
    path = write(tmp_path / "items.jsonl", *items)
    task = load(path, kind, limit=2, stop=("\n",), prompt_template="Q: {prompt}\nA:")
    assert task.ids == ("0", "1")
    assert [request.prompt for request in task.requests()] == ["Q: p0\nA:", "Q: p1\nA:"]
    assert {(r.max_new_tokens, r.stop) for r in task.requests()} == {(5, ("\n",))}
    assert task.digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_chat_format_goes_around_the_template(tmp_path: Path) -> None:
    path = write(tmp_path / "i", {"id": "a", "prompt": "p", **GOOD["exact"]})
    task = load(path, "exact", prompt_template="Q {prompt}", chat=lambda text: f"<{text}>")
    assert [request.prompt for request in task.requests()] == ["<Q p>"]


def test_an_answer_that_is_only_compared_may_hold_a_nul(tmp_path: Path) -> None:
    path = write(tmp_path / "i", {"id": "a", "prompt": "p", "answer": "a\0b"})
    task = load(path, "exact")
    assert [task.grade([answer]) for answer in ("a\0b", "ab")] == [[True], [False]]


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("exact", {"id": ""}, 'id: must be a text that is not empty, or a whole number, not ""'),
        ("exact", {"id": True}, "id: must be a text that is not empty, or a whole number, not tr"),
        ("exact", {"id": 1.5}, "id: must be a text that is not empty, or a whole number, not 1.5"),
        ("exact", {"prompt": "a\0b"}, "prompt: holds a NUL character (character 2); remove it"),
        ("exact", {"answer": ["a", "\ud83d"]}, "answer: holds half of a surrogate pair (\\ud83d, "),
        ("sql", {"database": "CREATE TABLE t (a); --\0"}, "database: holds a NUL character"),
        ("sql", {"database": "CREATE TABLE t (a) --\udc00"}, "database: holds half of a surrogate"),
        ("sql", {"rows": [["\udc00"]]}, "rows: holds half of a surrogate pair"),
        ("shell", {"files": {"\udc00": ""}}, "files: holds half of a surrogate pair"),
        ("exact", {"prompt": " "}, "prompt: must be a text that is not empty"),
        ("exact", {"answer": []}, "answer: must be a text, or a list of accepted texts"),
        ("exact", {"answer": None}, "answer: must be a text, or a list of accepted texts"),
        (
            "number",
            {"answer": "two"},
            "answer: must be a number, or a text that ends in #### and a",
        ),
        ("number", {"answer": True}, "answer: must be a number, or a text that ends in #### and a"),
        ("python", {"tests": "assert"}, "tests: must be Python source that compiles (invalid"),
        ("python", {"setup": "x ="}, "setup: must be Python source that compiles (invalid"),
        ("sql", {"database": "CREAT"}, "database: must be an SQL script that runs"),
        ("sql", {"rows": [1]}, "rows: must be a list of rows"),
        ("sql", {"rows": [[[1]]]}, "rows: must be a list of rows"),
        ("sql", {"ordered": "yes"}, 'ordered: must be true or false, not "yes"'),
        ("sql", {"check": ""}, "check: must be a text that is not empty"),
        ("shell", {"files": ["a"]}, "files: must be an object of texts by relative path"),
        ("shell", {"files": {"../a": ""}}, "files: '../a' must be a relative path"),
        ("shell", {"files": {"/a": ""}}, "files: '/a' must be a relative path"),
        ("shell", {"files": {"a": "", "a/b": ""}}, "files: 'a' is a file and a folder at once"),
        ("shell", {"stdout": 1}, "stdout: must be a text, not 1"),
        ("shell", {"files_after": {"a": 1}}, "files_after: must be an object of texts"),
    ],
)
def test_a_wrong_field_is_named(
    kind: str, change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    good = {"id": "a", "prompt": "p", **GOOD[kind]}
    path = write(tmp_path / "items.jsonl", good, {**good, "id": "b", **change})
    with pytest.raises(DatasetError) as caught:
        load(path, kind)
    assert str(caught.value).startswith(f"{path}:2: {message}")


@pytest.mark.parametrize("kind", sorted(GOOD))
def test_missing_fields_are_named_all_at_once(kind: str, tmp_path: Path) -> None:
    path = write(tmp_path / "items.jsonl", {"id": "a"}, {"prompt": "p", **GOOD[kind]})
    with pytest.raises(DatasetError) as caught:
        load(path, kind)
    lines = str(caught.value).splitlines()
    expected = [f"{path}:1: prompt", *(f"{path}:1: {name}" for name in GOOD[kind]), f"{path}:2: id"]
    assert [line.split(": is missing")[0] for line in lines] == expected


def test_lines_that_are_no_objects_and_repeated_ids(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    good = json.dumps({"id": "a", "prompt": "p", "answer": "x"})
    path.write_text(f"{good}\n\n[1]\n{{no json\n{good}\n")
    with pytest.raises(DatasetError) as caught:
        load(path, "exact")
    first, second, third = str(caught.value).splitlines()
    assert first.startswith(f"{path}:3: must be an object")
    assert second.startswith(f"{path}:4: is not JSON")
    assert third == f"{path}:5: id: 'a' is that of line 1; give every item an id of its own"


def test_the_first_twenty_problems_are_shown(tmp_path: Path) -> None:
    path = write(tmp_path / "items.jsonl", *({"id": str(i), "prompt": "p"} for i in range(30)))
    with pytest.raises(DatasetError) as caught:
        load(path, "exact")
    lines = str(caught.value).splitlines()
    assert len(lines) == 21
    assert lines[-1].endswith("and 10 more")


def test_files_that_hold_nothing(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="cannot be read: No such file"):
        load(tmp_path / "absent", "exact")
    with pytest.raises(DatasetError, match="holds no item; write one JSON object a line"):
        load(write(tmp_path / "empty"), "exact")


def test_unknown_types_and_templates_without_a_place(tmp_path: Path) -> None:
    path = write(tmp_path / "i", {"id": "a", "prompt": "p", **GOOD["exact"]})
    with pytest.raises(DatasetError, match="unknown type 'math'; there are exact, number, pyth"):
        load(path, "math")
    with pytest.raises(DatasetError, match=r"must hold \{prompt\} exactly once"):
        load(path, "exact", prompt_template="no place")
