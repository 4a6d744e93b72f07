"""``cycleqd items check`` tells what a file holds, how it is read, and what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cycleqd.cli.ending import run_command

QUESTIONS: list[dict[str, Any]] = [
    {"question": "What is 2 + 3?", "answer": "It is 5.\n#### 5"},
    {"question": "And 4 + 4?", "answer": "#### 8"},
]


def program(number: int, **changes: Any) -> dict[str, Any]:
    row = {
        "task_id": number,
        "text": f"Write a function to add {number}.",
        "code": f"def add(x):\r\n    return x + {number}",
        "test_setup_code": "",
        "test_list": [f"assert add(1) == {number + 1}"],
    }
    return {**row, **changes}


@pytest.fixture
def check(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Writes rows and checks them; the exit status, the output and what was said beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(rows: list[dict[str, Any]], *options: str) -> tuple[int, str, str]:
        Path("rows.json").write_text(json.dumps(rows))
        code = run_command(["items", "check", "rows.json", *options])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def test_a_good_file(check: Any) -> None:
    code, out, err = check([program(1), program(2)], "--type", "python")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "rows.json: JSON; 2 items of type python"
    assert lines[1] == "read as MBPP: 2"
    assert lines[2].startswith("a run stores ")
    assert lines[3] == "solutions that solve their item: 2 of 2 told"
    assert lines[4] == "item 1, as the model will see it:"
    assert lines[5:] == [
        '  | """',
        "  | Write a function to add 1.",
        "  | assert add(1) == 2",
        '  | """',
        "  | ",
        "judged by tests:",
        "  | assert add(1) == 2",
    ]


def test_items_that_nothing_solves(check: Any) -> None:
    rows = [program(1), program(2, code="def add(x): return x"), program(3, test_list=["x = 1"])]
    code, out, err = check(rows, "--type", "python", "--timeout-seconds", "3")
    assert code == 78
    assert "solutions that solve their item: 2 of 3 told" in out
    assert "solved by an empty answer: 3" in out
    assert err == (
        "error: rows.json: 1 solutions do not solve their items within 3 s of processor time here, "
        "so no model can; raise --timeout-seconds, or take these out: 2\n"
    )
    assert check(rows, "--type", "python", "--no-solutions")[0] == 0
    assert check(rows, "--type", "python", "--limit", "1")[0] == 0


def test_rows_that_are_no_items(check: Any) -> None:
    rows = [program(1), program(2, test_list=[]), {**program(3), "text": ""}]
    code, out, err = check(rows, "--type", "python")
    assert (code, out) == (78, "")
    assert err.splitlines() == [
        "error: rows.json:1: item 2: test_list: must hold a test at least",
        'error: rows.json:1: item 3: text: must be a text that is not empty, not ""',
    ]


def test_settings_of_the_type(check: Any) -> None:
    settings = "{answerPattern: '#### (.+)'}"
    code, out, _ = check(QUESTIONS, "--type", "exact", "--settings", settings, "--json")
    assert code == 0
    told = json.loads(out)
    assert told["forms"] == {"question and answer (GSM8K)": 2}
    assert told["solutions"] == {"told": 2, "unsolved": [], "solvedByEmptyAnswer": []}
    prompt = "Question: What is 2 + 3?\nAnswer:"
    assert told["first"] == {"id": "0", "prompt": prompt, "answer": "5"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--type", "pyhton"),
            "--type: no type 'pyhton'; there are python, sql, shell, exact, numb",
        ),
        (
            ("--type", "number", "--settings", "{x: 1}"),
            "--settings: x: Extra inputs are not permit",
        ),
        (("--type", "number", "--settings", "{"), "--settings: is no YAML ("),
        (("--type", "number", "--settings", "{answerPattern: '('}"), "--settings: answerPattern: "),
        (("--type", "shell", "--settings", "{x: 1}"), "--settings: type shell has none; remove th"),
    ],
)
def test_wrong_options(check: Any, options: tuple[str, ...], message: str) -> None:
    code, out, err = check(QUESTIONS, *options)
    assert (code, out) == (78, "")
    assert err.startswith(f"error: {message}")
