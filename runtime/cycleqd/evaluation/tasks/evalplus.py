"""EvalPlus: answers are compared with a reference solution on many inputs (MBPP+, HumanEval+).

Rows hold inputs and a reference, not outputs. What is written for an item is a program that runs
both on copies of every input and compares as EvalPlus 0.3 does: equal, or numbers within the row's
tolerance, and for a dozen items of MBPP a rule of their own. It needs the standard library only.

The time limit is one for all inputs, of reference and answer each; EvalPlus has one for each input.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from cycleqd.evaluation.tasks.form import Unusable

_TUPLES = "[tuple(a) for a in i]"
_LISTS_OF_TUPLES = "[[tuple(b) for b in a] for a in i]"
_FIRST_TUPLE = "[tuple(i[0]), *i[1:]]"

_READ: Mapping[str, Sequence[int]] = {
    _TUPLES: (
        *(2, 116, 132, 143, 222, 261, 273, 394, 399, 421, 424, 429, 470, 560, 579, 596, 616, 630),
        *(726, 740, 744, 809),
    ),
    _LISTS_OF_TUPLES: (*(63, 64, 70, 94, 120, 237, 272, 299, 400, 409, 417, 438, 473, 614, 780),),
    "[[tuple(a) for a in i[0]], i[1]]": (75, 413, 444, 753),
    "[i[0], tuple(i[1])]": (106, 750),
    "[[set(a) if isinstance(a, list) and a else {} for a in i[0]]]": (115,),
    "(float(i[0]), complex(i[1]))": (124,),
    _FIRST_TUPLE: (250, 307, 405, 446, 617, 720, 763, 808),
    "[complex(i[0])]": (252,),
    "[tuple(tuple(b) for b in a) for a in i]": (259, 401, 445),
    "[tuple(tuple(a) if isinstance(a, list) else a for a in i[0])]": (278,),
    "[{name: tuple(a) for name, a in i[0].items()}, *i[1:]]": (722,),
    "deep(i)": (580, 615, 791),
}
"""How an input ``i`` of an item of MBPP is read: JSON has neither tuples nor sets nor complex."""

_NOT_NONE = ("check_str", "text_match_three", "text_starta_endb")
_AS_SETS = (
    *("similar_elements", "find_char_long", "common_in_nested_lists", "extract_singly"),
    *("larg_nnum", "intersection_array", "find_dissimilar", "Diff"),
)

_RULES: Mapping[str, str] = {
    "are_equivalent": "True",
    "sum_div": "same or out == 0",
    "surface_Area": "same or abs(out - pyramid(*given)) <= atol",
    "digit_distance_nums": "same or out == digits(*given)",
    **dict.fromkeys(_AS_SETS, "set(out) == set(expected)"),
    **dict.fromkeys(_NOT_NONE, "same if isinstance(out, bool) else expected == (out is not None)"),
}
"""What counts as equal for functions of MBPP whose outputs cannot be compared as they are."""

_PROGRAM = """\
def judge(answer):
    import json, math

    def deep(i):
        return tuple(map(deep, i)) if isinstance(i, list) else i

    def read(i):
        return READ

    def pyramid(edge, height):
        slant = math.sqrt((edge / 2) ** 2 + height**2)
        return round(edge**2 + 4 * (edge * slant) / 2)

    def digits(one, other):
        one, other = str(one), str(other)
        width = max(len(one), len(other))
        return sum(abs(int(a) - int(b)) for a, b in zip(one.zfill(width), other.zfill(width)))

    def floats(value):
        if isinstance(value, (list, tuple)) and value:
            return all(isinstance(part, float) for part in value)
        return isinstance(value, float)

    def close(value, right, atol):
        if isinstance(right, (list, tuple)):
            assert isinstance(value, (list, tuple)) and len(value) == len(right)
            return all(close(*pair, atol) for pair in zip(value, right))
        assert isinstance(value, (int, float, complex)) and isinstance(right, (int, float, complex))
        return value == right or abs(value - right) <= atol + 1e-07 * abs(right)

    names = {}
    exec(compile(REFERENCE, "<reference>", "exec", dont_inherit=True), names)
    reference = names[ENTRY]
    # Reading the inputs again is much quicker than copying them.
    for copies in zip(*(json.loads(INPUTS) for _ in range(3))):
        atol = ATOL
        for given, one, other in zip(*([read(i) for i in inputs] for inputs in copies)):
            expected = reference(*one)
            out = answer(*other)
            COMPARE


globals().pop("judge")(NAME)
"""

_COMPARE = """\
same = out == expected
            same = RULE
            if atol == 0 and floats(expected):
                atol = 1e-06
            if not same and atol != 0:
                assert type(out) == type(expected)
                assert close(out, expected, atol)
            else:
                assert same"""

_ROOT = "assert abs(sum(c * math.pow(out, n) for n, c in enumerate(given[0]))) <= atol"
"""``find_zero`` of HumanEval+ finds any root."""


def tests_of(row: Mapping[str, Any], *, mbpp: bool, plus: bool) -> str:
    """The program that judges an answer.

    Args:
        row: ``prompt``, ``canonical_solution``, ``entry_point``, ``base_input``, ``plus_input`` and
            ``atol`` of a row.
        mbpp: whether the row is of MBPP+, else of HumanEval+.
        plus: whether the inputs that EvalPlus added count, too.

    Raises:
        Unusable: the row's inputs cannot be written as JSON.
    """
    name = row["entry_point"]
    inputs = [row["base_input"], row["plus_input"] if plus else []]
    # EvalPlus writes an input without values as an empty text.
    inputs = [part if isinstance(part, list) else [] for part in inputs]
    rule = _RULES.get(name, "same") if mbpp else "same"
    compare = _COMPARE.replace("RULE", rule)
    if mbpp and name in _NOT_NONE:
        compare = f"expected = expected is not None\n            {compare}"
    if not mbpp and name == "find_zero":
        compare = _ROOT
    values = {
        "REFERENCE": repr(row["prompt"] + row["canonical_solution"]),
        "ENTRY": repr(name),
        "INPUTS": repr(_json(inputs)),
        "ATOL": repr(float(row["atol"])),
        "READ": _reading(row["task_id"]) if mbpp else "i",
        "COMPARE": compare,
        "NAME": name,
    }
    lines = _PROGRAM.split("\n")
    return "\n".join(_filled(line, values) for line in lines)


def _filled(line: str, values: Mapping[str, str]) -> str:
    """A line with the one value that it asks for."""
    for place, value in values.items():
        if place in line:
            return line.replace(place, value)
    return line


def _reading(identifier: str) -> str:
    number = int(identifier.rpartition("/")[2])
    return next((text for text, numbers in _READ.items() if number in numbers), "i")


def _json(inputs: object) -> str:
    try:
        return json.dumps(inputs, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise Unusable("base_input", f"is no JSON ({error}); take the row out") from error
