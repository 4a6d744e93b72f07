"""MBPP, HumanEval and EvalPlus rows as published: their solutions score 1, wrong answers 0."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests import published
from tests.published import PYTHON, judged, read

from cycleqd.errors import DatasetError
from cycleqd.evaluation.sandbox import Sandbox
from cycleqd.evaluation.tasks.python import PythonSettings

pytestmark = pytest.mark.timeout(120)


@pytest.mark.parametrize("name", PYTHON)
def test_solutions_pass_and_wrong_answers_do_not(
    name: str, any_sandbox: Sandbox, tmp_path: Path
) -> None:
    row, wrong = PYTHON[name]
    found = read([row], "python", tmp_path)
    (solution,) = found.solutions
    assert solution is not None
    answers = [solution, wrong, "", f"```python\n{wrong}\n```"]
    assert judged(found, "python", answers, any_sandbox) == [True, False, False, False]
    # What a run stores is judged alike.
    stored = tmp_path / "stored.jsonl"
    stored.write_bytes(found.content)
    again = published.read_items(stored, published.skill_of("python"))
    assert again.content == found.content
    assert judged(again, "python", [solution, wrong], any_sandbox) == [True, False]


def test_forms_are_told(tmp_path: Path) -> None:
    rows = [row for row, _ in PYTHON.values()]
    assert read(rows, "python", tmp_path).forms == {
        "MBPP": 1,
        "MBPP, sanitized": 1,
        "HumanEval": 2,
        "MBPP+ of the hub": 1,
        "EvalPlus (MBPP+, HumanEval+)": 2,
    }


def test_rows_as_the_hub_has_them(sandbox: Sandbox, tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "rows.parquet"
    for row in (published.MBPP, published.HUMAN_EVAL):
        parquet.write_table(pyarrow.Table.from_pylist([row]), path)
        found = published.read_items(path, published.skill_of("python"))
        assert found.content == read([row], "python", tmp_path).content
        assert judged(found, "python", [str(found.solutions[0]), "x"], sandbox) == [True, False]


def test_what_the_model_sees(tmp_path: Path) -> None:
    rows = [published.MBPP, published.HUMAN_EVAL, published.MBPP_PLUS]
    mbpp, human_eval, mbpp_plus = read(rows, "python", tmp_path).items
    assert mbpp.text("prompt") == (
        '"""\nWrite a function to find the span of a list.\n'
        'assert span([1, 5, 2]) == 4\nassert span(box.xs) == 3\n"""\n'
    )
    assert human_eval.text("prompt") == published.HUMAN_EVAL["prompt"]
    assert mbpp_plus.text("prompt") == published.MBPP_PLUS["prompt"]
    assert [item.text("id") for item in (mbpp, human_eval)] == ["901", "HumanEval/903"]


def test_the_inputs_of_evalplus_count_unless_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    answer = ["def joined(digits): return 12"]
    for plus in (True, False):
        settings = PythonSettings(plus_inputs=plus)
        found = read([published.MBPP_PLUS], "python", tmp_path, settings=settings)
        assert judged(found, "python", answer, sandbox, settings=settings) == [not plus]


def evalplus(entry: str, solution: str, inputs: list[Any], **more: Any) -> dict[str, Any]:
    row = {
        "task_id": "Mbpp/900",
        "prompt": f'"""\nassert {entry}() == 1\n"""\n',
        "entry_point": entry,
        "canonical_solution": solution,
        "base_input": inputs,
        "plus_input": [],
        "atol": 0,
    }
    return {**row, **more}


CASES: dict[str, tuple[dict[str, Any], dict[str, bool]]] = {
    "tuples and lists differ": (
        evalplus("f", "def f(x): return (x, x)", [[1]]),
        {"def f(x): return (x, x)": True, "def f(x): return [x, x]": False},
    ),
    "floats are close by default": (
        evalplus("f", "def f(x): return [x / 3]", [[1.0]]),
        {
            "def f(x): return [0.3333330]": True,
            "def f(x): return [0.33333]": False,
            "def f(x): return (0.3333330,)": False,
            "def f(x): return [0.3333330, 1]": False,
            "def f(x): return ['a']": False,
        },
    ),
    "inputs may be changed": (
        evalplus("f", "def f(x): x.sort(); return x", [[[2, 1]]]),
        {"def f(x): return sorted(x)": True, "def f(x): return x": False},
    ),
    "sets are compared where order is free": (
        evalplus("Diff", "def Diff(a, b): return list(set(a) ^ set(b))", [[[1, 2], [2, 3]]]),
        {"def Diff(a, b): return [3, 1]": True, "def Diff(a, b): return [3]": False},
    ),
    "only whether there is something": (
        evalplus(
            "check_str", "import re\ndef check_str(s): return re.match('a', s)", [["a"], ["b"]]
        ),
        {
            "def check_str(s): return 'x' if s == 'a' else None": True,
            "def check_str(s): return s == 'a'": True,
            "def check_str(s): return None": False,
        },
    ),
    "sets and complex numbers": (
        evalplus("f", "def f(z): return z.real", [["(3+4j)"]], task_id="Mbpp/252"),
        {"def f(z): return z.real": True, "def f(z): return z.imag": False},
    ),
    "any root": (
        evalplus(
            "find_zero",
            "    return 1.0\n",
            [[[-1, 0, 1]]],
            task_id="HumanEval/32",
            prompt="def find_zero(xs: list):\n    '''A root.'''\n",
            atol=1e-4,
        ),
        {"    return -1.0\n": True, "    return 0.5\n": False},
    ),
    "infinity and characters that are no text": (
        evalplus("f", "def f(x, s): return x if s else 0", [[float("inf"), "\0\ud800"]]),
        {"def f(x, s): return x if len(s) == 2 else 0": True, "def f(x, s): return 0": False},
    ),
    "the reference is out of reach": (
        evalplus("f", "def f(x): return x * 7", [[3]]),
        {
            "def f(x): return x * 7": True,
            "def f(x):\n    code = globals()['judge'].__code__\n    names = {}\n"
            "    exec([c for c in code.co_consts if 'return' in str(c)][0], names)\n"
            "    return names['f'](x)": False,
            "def f(x): return reference(x)": False,
        },
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_comparison_is_that_of_evalplus(name: str, sandbox: Sandbox, tmp_path: Path) -> None:
    row, answers = CASES[name]
    found = read([row], "python", tmp_path)
    assert judged(found, "python", list(answers), sandbox) == list(answers.values())


@pytest.mark.parametrize(
    ("row", "change", "message"),
    [
        (published.MBPP, {"test_list": []}, "test_list: must hold a test at least"),
        (published.MBPP, {"test_list": ["assert"]}, "test_list: must be Python source that comp"),
        (published.MBPP, {"test_list": "assert 1"}, "test_list: must be a list of texts"),
        (published.MBPP, {"text": "a\ud800"}, "text: holds half of a surrogate pair"),
        (
            published.MBPP_SANITIZED,
            {"test_imports": ["import pandas"]},
            "test_list: imports pandas, and programs in the sandbox have the standard library",
        ),
        (
            published.HUMAN_EVAL_PLUS_HUB,
            {"test": "import numpy as np\ndef check(f): assert np.mean(f(1)) == 1"},
            "test: imports numpy, and programs in the sandbox have the standard library alone",
        ),
        (published.HUMAN_EVAL, {"entry_point": "a b"}, "entry_point: must be the name of a func"),
        (published.MBPP_PLUS, {"prompt": '"""?"""'}, "prompt: does not name joined, the function"),
        (published.MBPP_PLUS, {"base_input": [1]}, "base_input: must be a list of lists"),
        (published.MBPP_PLUS, {"atol": "0"}, "atol: must be a number that is not negative"),
    ],
)
def test_what_cannot_be_judged_is_refused(
    row: dict[str, Any], change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError) as caught:
        read([{**row, **change}], "python", tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}/rows.json:1: item 1: {message}")


def test_a_row_that_lacks_a_field_is_told_what_its_form_needs(tmp_path: Path) -> None:
    row = {name: value for name, value in published.HUMAN_EVAL.items() if name != "test"}
    with pytest.raises(DatasetError, match=r"item 1: test: is missing; add it to this item$"):
        read([row], "python", tmp_path)
