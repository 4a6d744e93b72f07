"""``python``: the answer is source code; asserts that run after it decide."""

from __future__ import annotations

from typing import ClassVar

from cycleqd.evaluation.sandbox import Limits, Program, PythonProgram, Report
from cycleqd.evaluation.tasks.continuation import beginning_of, continued
from cycleqd.evaluation.tasks.databases import Databases
from cycleqd.evaluation.tasks.form import Form
from cycleqd.evaluation.tasks.honesty import leaves_alone
from cycleqd.evaluation.tasks.items import Field, Item, any_text
from cycleqd.evaluation.tasks.python_forms import compiles, python_forms, source
from cycleqd.evaluation.tasks.skill import ProgramSkill
from cycleqd.manifest.values import Model


def _setup(value: object) -> str | None:
    wrong = any_text(value)
    return wrong if wrong is not None else compiles(str(value))


class PythonSettings(Model):
    """What of published items counts."""

    plus_inputs: bool = True
    """Whether items of EvalPlus (MBPP+, HumanEval+) are tested on the inputs that it added, too;
    false tests on those of MBPP and HumanEval alone."""


class PythonSkill(ProgramSkill[PythonSettings]):
    """Runs the answer after the setup, and the tests in another process; solved when none raises.

    Where the prompt begins a function, the answer may be the rest of it.
    """

    name = "python"
    summary = "runs unit tests"
    settings_model = PythonSettings
    settings_written: ClassVar = False
    fields = (Field("tests", source), Field("setup", _setup, required=False))

    def forms(self, databases: Databases | None) -> tuple[Form, ...]:  # noqa: ARG002
        """MBPP, HumanEval and EvalPlus."""
        return python_forms(plus=self.settings.plus_inputs)

    def answer(self, item: Item, completion: str) -> str:
        """The program in a completion, with the prompt where it goes on with that."""
        prompt = item.text("prompt")
        beginning = beginning_of(prompt)
        if beginning is None:
            return super().answer(item, completion)
        return continued(prompt, beginning, completion)

    def program(self, item: Item, answer: str, limits: Limits) -> Program:
        """Setup, answer and tests; the setup with what stands in the prompt before its function.

        That function is the answer's, also where the setup repeats the prompt.
        """
        prompt, setup = item.text("prompt"), item.text("setup")
        beginning = beginning_of(prompt)
        if beginning is not None:
            before = [setup.removesuffix(prompt), beginning.preamble]
            setup = "\n".join(part for part in before if part)
        return PythonProgram(setup, answer, item.text("tests"), limits)

    def honest(self, item: Item, answer: str) -> bool:
        """It leaves alone what the check is made of: the names of setup and tests, and builtins.

        An answer that renames ``len`` or the helper that the tests compare with gains nothing, for
        the tests run elsewhere, but it is nothing to learn from. Names that the tests only call
        are the answer's to define, and so are those of a setup that the prompt shows.
        """
        setup = item.text("setup")
        hidden = [] if setup in item.text("prompt") else [setup]
        return leaves_alone(answer, *hidden, item.text("tests"))

    def solved(self, item: Item, report: Report) -> bool:  # noqa: ARG002  # the tests decided
        """A program that passed has passed its tests."""
        return report.status == "passed"
