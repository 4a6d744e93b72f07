"""Every reference answer passes its question's check when it is run; a near miss does not."""

import random
import re
import sqlite3
import subprocess

import pytest

from cycleqd.demo.questions import Split, draw
from cycleqd.demo.skills import LATER_SKILLS, SKILLS

COUNT = 60
ALL = {**SKILLS, **LATER_SKILLS}


def passes_sql(item, answer, tmp_path):
    connection = sqlite3.connect(":memory:")
    try:
        connection.executescript(item["database"])
        rows = connection.execute(answer).fetchall()
        if "check" in item:
            rows = connection.execute(item["check"]).fetchall()
    finally:
        connection.close()
    found, expected = [list(row) for row in rows], item["rows"]
    if not item.get("ordered", False):
        found, expected = sorted(found, key=repr), sorted(expected, key=repr)
    return found == expected


def passes_python(item, answer, tmp_path):
    namespace = {}
    exec(item.get("setup", ""), namespace)
    exec(answer, namespace)
    try:
        exec(item["tests"], namespace)
    except AssertionError:
        return False
    return True


def passes_shell(item, answer, tmp_path):
    for name, text in item["files"].items():
        (tmp_path / name).write_text(text)
    command = ["sh", "-c", answer]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=10, check=False
    )
    if done.stdout != item["stdout"]:
        return False
    after = item.get("files_after", {})
    return all((tmp_path / name).read_text() == text for name, text in after.items())


def passes_exact(item, answer, tmp_path):
    return answer == item["answer"]


PASSES = {"exact": passes_exact, "sql": passes_sql, "python": passes_python, "shell": passes_shell}


@pytest.mark.parametrize("split", ["train", "search", "tune", "test"])
@pytest.mark.parametrize("skill", list(ALL))
def test_reference_answers_pass(skill: str, split: Split, tmp_path):
    for number, question in enumerate(draw(ALL[skill], split, COUNT)):
        item = question.item(skill)
        folder = tmp_path / str(number)
        folder.mkdir()
        assert PASSES[ALL[skill].type](item, question.answer, folder), (item, question.answer)
        assert question.prompt.endswith("\n")
        assert "\n" not in question.answer


@pytest.mark.parametrize("skill", list(SKILLS))
def test_a_threshold_off_by_one_fails(skill: str, tmp_path):
    asked = [q for q in draw(SKILLS[skill], "tune", 120) if q.template == "staff-listed"]
    assert len(asked) >= 3
    for number, question in enumerate(asked):
        near = re.sub(r"([<>]=?)(\d+)", lambda m: f"{m[1]}{int(m[2]) + 1}", question.answer)
        assert near != question.answer
        folder = tmp_path / str(number)
        folder.mkdir()
        assert not PASSES[skill](question.item(skill), near, folder), (question.prompt, near)


@pytest.mark.parametrize("skill", list(ALL))
def test_another_questions_answer_rarely_passes(skill: str, tmp_path):
    questions = draw(ALL[skill], "tune", 50)
    others = random.Random(0).sample(questions, len(questions))
    passed = 0
    for number, (question, other) in enumerate(zip(questions, others, strict=True)):
        folder = tmp_path / str(number)
        folder.mkdir()
        try:
            passed += question is not other and PASSES[ALL[skill].type](
                question.item(skill), other.answer, folder
            )
        except (sqlite3.Error, NameError, TypeError, AttributeError, ValueError, OSError):
            continue
    assert passed <= 5
