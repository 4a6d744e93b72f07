"""Answers that go on where their prompt stops: the body of a function that the prompt begins.

HumanEval asks like that, and models trained on code answer with the body alone, indented. The white
space with which an answer begins is then part of the program, so nothing is taken from it.

A prompt begins a function where it is Python and its last statement is one (so a question in words
begins none). An answer goes on with it where its first line is indented or the prompt stops within
a line; one that holds the function itself is a program of its own. What follows the function's end
is dropped, as evaluations of HumanEval do: a model that does not stop writes about something else.
"""

from __future__ import annotations

import ast
import re
import textwrap
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from cycleqd.evaluation.tasks.completion import answer_of, fenced

_MOST_ENDS = 100
"""Lines at which a function may end that are looked at: a model can write thousands of them."""


@dataclass(frozen=True)
class Beginning:
    """A function that a prompt begins.

    Attributes:
        name: the function's.
        preamble: what stands before it: imports, and functions that it may use.
    """

    name: str
    preamble: str


@lru_cache(maxsize=4096)
def beginning_of(prompt: str) -> Beginning | None:
    """The function that a prompt begins, None where it begins none."""
    try:
        # The rest of a line may be missing, and a body always: what is added stands for both.
        tree = ast.parse(f"{prompt}\n    pass\n")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    last = tree.body[-1] if tree.body else None
    if not isinstance(last, ast.FunctionDef | ast.AsyncFunctionDef):
        return None
    first = min([last.lineno, *(decorator.lineno for decorator in last.decorator_list)])
    return Beginning(last.name, "".join(prompt.splitlines(keepends=True)[: first - 1]))


def continued(prompt: str, beginning: Beginning, completion: str) -> str:
    """The program that a prompt and a completion make.

    Args:
        prompt: it begins a function.
        beginning: that function.
        completion: what the model wrote.
    """
    inside = fenced(completion)
    rest = completion if inside is None else inside
    program = textwrap.dedent(rest.strip("\n"))
    if not _indented(program) and _defines(program, beginning.name):
        return answer_of(completion)
    within_line = not prompt.endswith("\n") and not prompt.rstrip().endswith(":")
    if not _indented(rest) and not within_line:
        return answer_of(completion)
    if inside is not None and not prompt.endswith("\n"):
        rest = f"\n{rest}"
    return _until_function_ends(prompt, rest)


def _defines(program: str, name: str) -> bool:
    name = re.escape(name)
    pattern = rf"^(?:(?:async[ \t]+)?def|class)[ \t]+{name}\b|^{name}[ \t]*="
    return re.search(pattern, program, re.MULTILINE) is not None


def _indented(text: str) -> bool:
    """Whether the first line that is not empty begins with white space."""
    line = next((line for line in text.split("\n") if line.strip()), "")
    return line[:1].isspace()


def _until_function_ends(prompt: str, rest: str) -> str:
    """The prompt and what belongs to its function.

    The function ends before the first line without indentation at which it is whole: a text in
    triple quotes may have such lines, too.
    """
    ends = (line.start() for line in re.finditer(r"(?<=\n)(?=[^\s])", rest))
    for end in islice(ends, _MOST_ENDS):
        program = prompt + rest[:end]
        try:
            ast.parse(program)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        return program
    return prompt + rest
