"""Whether two results of queries are equal.

Rows are compared as a multiset unless they are ordered. Names of columns do not matter, their
number and order do. Cells are equal when both are NULL, or equal texts, or numbers that differ by
at most one part in a million (an integer equals a float of the same value; two integers must be
equal). Blobs are texts of the form ``X'00FF'``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

_TOLERANCE = 1e-6
_PAIRWISE = 200
_MOST_ORDERS = 5_000

Cell = str | int | float | None
Row = Sequence[Cell]


def matching_columns(expected: Sequence[Row], found: Sequence[Row]) -> Iterator[tuple[int, ...]]:
    """Orders of the found columns in which each holds the texts and NULLs of the expected one.

    The columns as they stand come first where they match; at most some thousands are tried.
    """
    if not expected or not found or len(expected[0]) != len(found[0]):
        yield tuple(range(len(found[0]))) if found else ()
        return
    width = len(found[0])
    wanted = [_profile(expected, place) for place in range(width)]
    given = [_profile(found, place) for place in range(width)]
    candidates = [
        [
            place
            for place in sorted(range(width), key=lambda p: (p != column, p))
            if given[place] == wanted[column]
        ]
        for column in range(width)
    ]
    yield from _orders(candidates, (), iter(range(_MOST_ORDERS)))


def _orders(
    candidates: Sequence[Sequence[int]], taken: tuple[int, ...], budget: Iterator[int]
) -> Iterator[tuple[int, ...]]:
    if next(budget, None) is None:
        return
    if len(taken) == len(candidates):
        yield taken
        return
    for place in candidates[len(taken)]:
        if place not in taken:
            yield from _orders(candidates, (*taken, place), budget)


def _profile(rows: Sequence[Row], place: int) -> Counter[Any]:
    """What a column holds, numbers aside, for those may differ a little."""
    return Counter("#" if _is_number(row[place]) else (row[place],) for row in rows)


def same_rows(expected: Sequence[Row], found: Sequence[Row], *, ordered: bool) -> bool:
    """Whether two results are equal under the rules of this module."""
    if len(expected) != len(found):
        return False
    if ordered:
        return all(_same(left, right) for left, right in zip(expected, found, strict=True))
    # Rows can only be equal if everything in them that is not a number is.
    groups: defaultdict[tuple[Any, ...], tuple[list[Row], list[Row]]]
    groups = defaultdict(lambda: ([], []))
    for side, rows in enumerate((expected, found)):
        for row in rows:
            groups[tuple("#" if _is_number(cell) else (cell,) for cell in row)][side].append(row)
    return all(_same_group(left, right) for left, right in groups.values())


def _same_group(left: list[Row], right: list[Row]) -> bool:
    """Whether two lists of rows that differ at most in numbers match in some order."""
    if len(left) != len(right):
        return False
    left, right = sorted(left, key=_numbers), sorted(right, key=_numbers)
    if all(_same(a, b) for a, b in zip(left, right, strict=True)):
        return True
    if len(left) > _PAIRWISE:
        return False
    # Numbers within the tolerance of each other may have sorted differently: match one by one.
    for row in left:
        match = next((i for i, other in enumerate(right) if _same(row, other)), None)
        if match is None:
            return False
        del right[match]
    return True


def _numbers(row: Row) -> tuple[float, ...]:
    return tuple(cell for cell in row if isinstance(cell, int | float))


def _same(left: Row, right: Row) -> bool:
    return len(left) == len(right) and all(
        _same_cell(a, b) for a, b in zip(left, right, strict=True)
    )


def _same_cell(left: Cell, right: Cell) -> bool:
    if isinstance(left, int) and isinstance(right, int):
        return left == right
    if isinstance(left, int | float) and isinstance(right, int | float):
        return left == right or abs(left - right) <= _TOLERANCE * max(1.0, abs(left), abs(right))
    return type(left) is type(right) and left == right


def _is_number(cell: Cell) -> bool:
    return isinstance(cell, int | float)
