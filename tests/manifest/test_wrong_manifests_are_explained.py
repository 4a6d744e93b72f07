"""Every wrong manifest of the table is refused with a line naming the field, the value, the remedy.

A small fault gives one line and no more, no line speaks of the validation library, and no line
repeats a credential.
"""

from __future__ import annotations

import re

import pytest

from .documents import VALID, as_yaml, edited
from .wrong import WRONG, WRONG_TEXTS, Wrong, WrongText, problems_of

JARGON = re.compile(
    r"pydantic|tuple|input should|extra inputs|dict\b|literal|NoneType|validat", re.IGNORECASE
)


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.fault)
def test_the_line_names_the_field_and_the_remedy(wrong: Wrong) -> None:
    problems = problems_of(as_yaml(edited(wrong.edit)))
    assert [line for line in problems if line.startswith(f"{wrong.path}: ")], problems
    (line,) = problems
    assert wrong.said in line
    assert "\n" not in line
    assert not JARGON.search(line)
    assert "hunter2" not in line


@pytest.mark.parametrize("wrong", WRONG_TEXTS, ids=lambda wrong: wrong.fault)
def test_a_text_that_is_no_document_is_explained(wrong: WrongText) -> None:
    problems = problems_of(wrong.text)
    assert len(problems) == 1
    assert wrong.said in problems[0]
    assert not JARGON.search(problems[0].replace("not valid", ""))


def test_the_valid_document_is_valid() -> None:
    assert problems_of(VALID) == ()


def test_faults_have_different_names() -> None:
    faults = [wrong.fault for wrong in WRONG] + [wrong.fault for wrong in WRONG_TEXTS]
    assert len(set(faults)) == len(faults) >= 55
