"""``python``: the answer is source code; asserts that run after it decide."""

from __future__ import annotations

from cycleqd.evaluation.sandbox import Limits, Program, PythonProgram, Report
from cycleqd.evaluation.tasks.honesty import leaves_alone
from cycleqd.evaluation.tasks.items import Field, Item, any_text, text
from cycleqd.evaluation.tasks.skill import ProgramSkill


def _source(value: object) -> str | None:
    wrong = text(value)
    return wrong if wrong is not None else _compiles(str(value))


def _setup(value: object) -> str | None:
    wrong = any_text(value)
    return wrong if wrong is not None else _compiles(str(value))


def _compiles(source: str) -> str | None:
    try:
        compile(source, "<dataset>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        return f"must be Python source that compiles ({error})"
    return None


class PythonSkill(ProgramSkill[None]):
    """Runs setup, answer and tests in one namespace; solved when no test raises."""

    name = "python"
    summary = "runs unit tests"
    fields = (Field("tests", _source), Field("setup", _setup, required=False))

    def program(self, item: Item, answer: str, limits: Limits) -> Program:
        """Setup, answer and tests."""
        return PythonProgram(item.text("setup"), answer, item.text("tests"), limits)

    def honest(self, item: Item, answer: str) -> bool:
        """It leaves alone what the check is made of: the names of setup and tests, and builtins.

        Answer and tests share a namespace, so an answer may rename ``len`` or the helper that the
        tests compare with. Names that the tests only call are the answer's to define.
        """
        return leaves_alone(answer, item.text("setup"), item.text("tests"))

    def solved(self, item: Item, report: Report) -> bool:  # noqa: ARG002  # the tests decided
        """A program that passed has passed its tests."""
        return report.status == "passed"
