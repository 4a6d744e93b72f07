"""Where a prompt begins a function, an answer may be its body, with the white space it needs."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.published import judged, read

from cycleqd.evaluation.sandbox import Sandbox
from cycleqd.evaluation.tasks import skill_of
from cycleqd.evaluation.tasks.items import Item

pytestmark = pytest.mark.timeout(120)

PROMPT = 'import math\n\ndef up(x):\n    """Round up."""\n'
TESTS = "def check(candidate):\n    assert candidate(1.5) == 2\n\ncheck(up)"
BODY = "    y = math.ceil(x)\n    return y\n"

ANSWERS = {
    BODY: True,
    BODY.rstrip(): True,
    f"\n{BODY}": True,
    f"```python\n{BODY}```": True,
    f"Here it is:\n```python\n{BODY}```\nIt rounds.": True,
    f"```python\ndef up(x):\n{BODY}```": True,
    f"def up(x):\n{BODY}": True,
    f"{PROMPT}{BODY}": True,
    "import math as m\ndef up(x): return m.ceil(x)": True,
    "    def up(x):\n        return math.ceil(x)": True,
    "up = math.ceil": True,
    # A model that does not stop.
    f"{BODY}\n\ndef down(x):\n    retur": True,
    f"{BODY}\nprint(up(": True,
    f"{BODY}# Test\nassert up(1.5) == 1": True,
    '    text = """\nno end here\n"""\n    return math.ceil(x)\n\nno program': True,
    "    # up\n\n    return math.ceil(x)": True,
    "    return math.floor(x)\n": False,
    "return math.ceil(x)": False,
    "  y = 1\n    return y": False,
    "Sure, it is math.ceil(x).": False,
    "": False,
}


def test_bodies_and_whole_functions(any_sandbox: Sandbox, tmp_path: Path) -> None:
    found = read([{"id": 1, "prompt": PROMPT, "tests": TESTS}], "python", tmp_path)
    assert judged(found, "python", list(ANSWERS), any_sandbox) == list(ANSWERS.values())


@pytest.mark.parametrize(
    ("prompt", "completion"),
    [
        ("def up(x):", "\n    return -int(-x // 1)"),
        ("def up(x):", " return -int(-x // 1)\n\nup(3"),
        ("def up(x):\n    return ", "-int(-x // 1)\n\n\ndef other"),
        ("def up(x):\n    y = x\n", "    return -int(-y // 1)"),
        ("@print\ndef p(): pass\n\ndef up(x):\n", "    return -int(-x // 1)"),
    ],
)
def test_prompts_that_stop_anywhere(
    prompt: str, completion: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    found = read([{"id": 1, "prompt": prompt, "tests": TESTS}], "python", tmp_path)
    assert judged(found, "python", [completion, f"{completion} (", "x"], sandbox) == [
        True,
        "other" in completion or "up(3" in completion,
        False,
    ]


def test_a_setup_that_holds_the_prompt(sandbox: Sandbox, tmp_path: Path) -> None:
    """The usual way to write HumanEval with the type's own fields."""
    item = {"id": 1, "prompt": PROMPT, "setup": PROMPT, "tests": TESTS}
    found = read([item], "python", tmp_path)
    assert judged(found, "python", [BODY, f"def up(x):\n{BODY}", ""], sandbox) == [
        True,
        True,
        False,
    ]


def test_questions_in_words_are_answered_by_whole_programs() -> None:
    skill = skill_of("python")
    for prompt in ("Write up(x).", "Question: def up\n", "x = 1", "def up(x): return x\nx = 1"):
        item = Item({"id": "1", "prompt": prompt, "tests": TESTS})
        assert skill.answer(item, "    y = 1\n    z = 2\n") == "y = 1\nz = 2"


def test_bodies_are_lessons_like_whole_functions() -> None:
    skill = skill_of("python")
    item = Item({"id": "1", "prompt": PROMPT, "setup": PROMPT, "tests": TESTS})
    honest = [
        skill.honest(item, skill.answer(item, text)) for text in (BODY, f"def up(x):\n{BODY}")
    ]
    assert honest == [True, True]
    cheat = "    import builtins\n    return 2\n"
    assert not skill.honest(item, skill.answer(item, cheat))


def test_a_setup_that_holds_a_prompt_that_stops_within_its_function(
    any_sandbox: Sandbox, tmp_path: Path
) -> None:
    prompt = "import math\n\ndef up(x):\n    y = x\n"
    item = {"id": 1, "prompt": prompt, "setup": prompt, "tests": TESTS}
    found = read([item], "python", tmp_path)
    answers = ["    return math.ceil(y)", "def up(x):\n    return math.ceil(x)", "    return y"]
    assert judged(found, "python", answers, any_sandbox) == [True, True, False]
