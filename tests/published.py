"""Rows in the forms of well-known datasets, written for the tests, and what judges answers."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

from cycleqd.evaluation.sandbox import Limits, Sandbox
from cycleqd.evaluation.tasks import read_items, skill_of
from cycleqd.evaluation.tasks.databases import Databases
from cycleqd.evaluation.tasks.reading import Dataset
from cycleqd.manifest.values import Model

MBPP = {
    "text": "Write a function to find the span of a list.",
    "code": "class Box:\r\n    pass\r\ndef span(xs):\r\n    return max(xs) - min(xs)",
    "task_id": 901,
    "test_setup_code": "box = Box()\nbox.xs = [4, 1]",
    "test_list": ["assert span([1, 5, 2]) == 4", "assert span(box.xs) == 3"],
    "challenge_test_list": [],
}
MBPP_SANITIZED = {
    "source_file": "questions",
    "task_id": 902,
    "prompt": "Write a function to find the area of a circle.",
    "code": "import math\ndef area(r):\n  return math.pi * r ** 2",
    "test_imports": ["import math"],
    "test_list": ["assert math.isclose(area(2), 12.566370614359172)"],
}
HUMAN_EVAL = {
    "task_id": "HumanEval/903",
    "prompt": "from typing import List\n\n\ndef halve(x: int) -> int:\n    return x // 2\n\n\n"
    'def halves(xs: List[int]) -> List[int]:\n    """ Halve each number.\n    >>> halves([4])\n'
    '    [2]\n    """\n',
    "entry_point": "halves",
    "canonical_solution": "    return [halve(x) for x in xs]\n",
    "test": "\nMETADATA = {}\n\ndef check(candidate):\n    assert candidate([4, 7]) == [2, 3]\n",
}
CLOSE = """
import numpy as np

def is_floats(x) -> bool:
    if isinstance(x, float):
        return True
    if isinstance(x, (list, tuple)):
        return all(isinstance(i, float) for i in x)
    if isinstance(x, np.ndarray):
        return x.dtype == np.float64 or x.dtype == np.float32
    return False

def assertion(out, exp, atol):
    if atol == 0 and is_floats(exp):
        atol = 1e-6
    if out != exp and atol != 0:
        assert np.allclose(out, exp, rtol=1e-07, atol=atol)
    else:
        assert out == exp
"""
HUMAN_EVAL_PLUS_HUB = {
    "task_id": "HumanEval/904",
    "prompt": "def third(x: float) -> float:\n    '''A third.'''\n",
    "canonical_solution": "    return x / 3\n",
    "entry_point": "third",
    "test": f"{CLOSE}\ndef check(candidate):\n"
    "    for inp, exp in zip([[3.0], [1.0]], [1.0, 0.33333333]):\n"
    "        assertion(candidate(*inp), exp, 0)\n",
}
MBPP_PLUS_HUB = {
    "task_id": 905,
    "code": "def pair(a, b):\n    return (a / 1, b / 1)",
    "prompt": "Write a function to pair two numbers.",
    "source_file": "questions",
    "test_imports": [],
    "test_list": ["assert pair(1, 2) == (1.0, 2.0)"],
    "test": f"{CLOSE}\nfor inp, exp in zip([[1, 2]], [(1.0000000001, 2.0)]):\n"
    "    assertion(pair(*inp), exp, 0)\n",
}
HUMAN_EVAL_PLUS = {
    "task_id": "HumanEval/906",
    "prompt": "import math\n\ndef root(x: float):\n    '''Square root.'''\n",
    "entry_point": "root",
    "canonical_solution": "    return math.sqrt(x)\n",
    "contract": "assert x >= 0",
    "base_input": [[4.0]],
    "plus_input": [[2.0], [9]],
    "atol": 1e-6,
}
MBPP_PLUS = {
    "task_id": "Mbpp/116",
    "prompt": '"""\nWrite a function to join digits.\nassert joined((1, 2)) == 12\n"""\n',
    "entry_point": "joined",
    "canonical_solution": "\ndef joined(digits):\n    assert isinstance(digits, tuple)\n"
    "    return int(''.join(map(str, digits)))\n",
    "base_input": [[[1, 2]]],
    "plus_input": [[[0, 7]]],
    "atol": 0,
    "contract": "",
    "assertion": "assert joined((1, 2)) == 12",
}
GSM8K = {
    "question": "A box holds 600 pens, and another twice as many. How many are there?\n",
    "answer": "The other holds 600*2=<<600*2=1200>>1200.\nTogether 1,800 pens.\n#### 1,800",
}
PYTHON: dict[str, tuple[dict[str, Any], str]] = {
    "MBPP": (MBPP, "class Box: pass\ndef span(xs):\n    return max(xs)"),
    "MBPP, sanitized": (MBPP_SANITIZED, "def area(r):\n    return r"),
    "HumanEval": (HUMAN_EVAL, "    return xs\n"),
    "HumanEval of the hub": (HUMAN_EVAL_PLUS_HUB, "    return x / 3 + 1e-3\n"),
    "MBPP+ of the hub": (MBPP_PLUS_HUB, "def pair(a, b): return (a / 1, b / 2)"),
    "HumanEval+": (HUMAN_EVAL_PLUS, "    return math.floor(math.sqrt(x))\n"),
    "MBPP+": (MBPP_PLUS, "def joined(digits): return 12"),
}
"""Rows of ``python`` by the name of their form, each with a wrong answer."""


def read(
    rows: list[dict[str, Any]],
    kind: str,
    folder: Path,
    *,
    settings: Model | None = None,
    databases: Databases | None = None,
) -> Dataset:
    """The items of rows that stand in a file of a folder."""
    path = folder / "rows.json"
    path.write_text(json.dumps(rows))
    return read_items(path, skill_of(kind, settings), databases=databases)


def judged(
    found: Dataset,
    kind: str,
    completions: list[str],
    sandbox: Sandbox,
    *,
    settings: Model | None = None,
) -> list[bool]:
    """Verdicts on completions for the first item."""
    skill = skill_of(kind, settings)
    item = found.items[0]
    answers = [skill.answer(item, completion) for completion in completions]
    limits = Limits(cpu_seconds=2, wall_seconds=20)
    return skill.judge([item] * len(answers), answers, sandbox, limits)


SPIDER = {
    "db_id": "garden",
    "query": "SELECT name, height FROM plants WHERE height > 100 ORDER BY height DESC",
    "query_toks": ["SELECT"],
    "question": "Name and height of plants above one metre,\ntallest first.",
    "sql": {"select": []},
}
BIRD = {
    "question_id": 5,
    "db_id": "garden",
    "question": "Which beds have tall plants?",
    "evidence": "tall means height > 100",
    "SQL": "SELECT bed FROM plants WHERE height > 100",
    "difficulty": "simple",
}
GARDEN = """
CREATE TABLE plants (name TEXT, height REAL, bed INTEGER, planted DATE);
CREATE VIEW tall AS SELECT * FROM plants WHERE height > 100;
INSERT INTO plants VALUES
  ('oak', 900.5, 1, '2001-02-03'), ('rose', 120, 2, '2019-05-01'), ('fern', 80, 2, NULL),
  ('birch', 700, 1, '2010-10-10'), ('moss', 1, 3, '2020-01-01');
"""


def garden(folder: Path, layout: str = "database/garden/garden.sqlite") -> Path:
    """A database that rows ask about, where its dataset has it."""
    path = folder / layout
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path)
    connection.executescript(GARDEN)
    connection.close()
    return path
