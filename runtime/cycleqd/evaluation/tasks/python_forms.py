"""How questions about Python are published: MBPP, HumanEval, and what EvalPlus made of both."""

from __future__ import annotations

from cycleqd.evaluation.tasks.evalplus import tests_of
from cycleqd.evaluation.tasks.form import Fields, Form, Unusable
from cycleqd.evaluation.tasks.items import Field, any_text, anything, identifier, shown, text, texts
from cycleqd.evaluation.tasks.standalone import standalone


def source(value: object) -> str | None:
    """Python that compiles, and is not empty."""
    wrong = text(value)
    return wrong if wrong is not None else compiles(str(value))


def compiles(code: str) -> str | None:
    """Python that compiles."""
    try:
        compile(code, "<dataset>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        return f"must be Python source that compiles ({error})"
    return None


def _asserts(value: object) -> str | None:
    return "must hold a test at least" if value == [] else texts(value)


def _name(value: object) -> str | None:
    if isinstance(value, str) and value.isidentifier():
        return None
    return f"must be the name of a function, not {shown(value)}"


def _inputs(value: object) -> str | None:
    # EvalPlus writes an item without further inputs so.
    if value in ({}, "") or (isinstance(value, list) and all(isinstance(i, list) for i in value)):
        return None
    return f"must be a list of lists of arguments, not {shown(value)}"


def _number(value: object) -> str | None:
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return None
    return f"must be a number that is not negative, not {shown(value)}"


_TASK = Field("task_id", identifier, required=False)
_CODE = Field("code", any_text)
_TESTS = Field("test_list", _asserts)
_PROMPT = Field("prompt", text)
_ENTRY = Field("entry_point", _name)
_SOLUTION = Field("canonical_solution", any_text)


def _asked(question: str, tests: list[str]) -> str:
    """The prompt that EvalPlus made of MBPP: models that only go on with a text answer it too."""
    return '"""\n' + question.strip() + "\n" + "\n".join(tests) + '\n"""\n'


def _mbpp(row: Fields) -> Fields:
    question = row["text"] if "text" in row else row["prompt"]
    # The set-up of some tests uses classes of the answer, so it comes after it.
    parts = [*row.get("test_imports", []), row.get("test_setup_code", ""), *row["test_list"]]
    tests = "\n".join(part for part in parts if part.strip())
    return {"prompt": _asked(question, row["test_list"]), "tests": standalone(tests, "test_list")}


def _mbpp_plus_hub(row: Fields) -> Fields:
    parts = [*row.get("test_imports", []), row["test"]]
    return {
        "prompt": _asked(row["prompt"], row["test_list"]),
        "tests": standalone("\n".join(parts), "test"),
    }


def _human_eval(row: Fields) -> Fields:
    tests = standalone(row["test"], "test")
    return {"prompt": row["prompt"], "tests": f"{tests}\n\ncheck({row['entry_point']})\n"}


def _evalplus(row: Fields, *, plus: bool) -> Fields:
    if row["entry_point"] not in row["prompt"]:
        raise Unusable(
            "prompt",
            f"does not name {row['entry_point']}, the function that is tested; MBPP+ does so from "
            "v0.2.0 on",
        )
    mbpp = str(row["task_id"]).startswith("Mbpp/")
    return {"prompt": row["prompt"], "tests": tests_of(row, mbpp=mbpp, plus=plus)}


def _code(row: Fields) -> str:
    return str(row["code"])


def _canonical(row: Fields) -> str:
    return str(row["canonical_solution"])


def python_forms(*, plus: bool) -> tuple[Form, ...]:
    """The forms that ``python`` takes.

    Args:
        plus: whether inputs that EvalPlus added count, too.
    """
    return (
        Form(
            "EvalPlus (MBPP+, HumanEval+)",
            (
                *(Field("task_id", text), _PROMPT, _ENTRY, _SOLUTION),
                Field("base_input", _inputs, characters=anything),
                Field("plus_input", _inputs, characters=anything),
                Field("atol", _number),
            ),
            lambda row: _evalplus(row, plus=plus),
            _canonical,
        ),
        Form(
            "MBPP+ of the hub",
            (
                *(_TASK, _PROMPT, _CODE, _TESTS, Field("test", text)),
                Field("test_imports", texts, required=False),
            ),
            _mbpp_plus_hub,
            _code,
        ),
        Form(
            "HumanEval",
            (_TASK, _PROMPT, _ENTRY, _SOLUTION, Field("test", text)),
            _human_eval,
            _canonical,
        ),
        Form(
            "MBPP",
            (
                *(_TASK, Field("text", text), _CODE, _TESTS),
                Field("test_setup_code", any_text, required=False),
            ),
            _mbpp,
            _code,
        ),
        Form(
            "MBPP, sanitized",
            (
                *(_TASK, _PROMPT, _CODE, _TESTS),
                Field("test_imports", texts, required=False),
            ),
            _mbpp,
            _code,
        ),
    )
