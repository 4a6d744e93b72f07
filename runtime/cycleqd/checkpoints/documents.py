"""JSON of strangers: parsed within bounds, and quoted in messages without harm. No torch.

Python's parser accepts what its other parts then fail on: nesting that a comparison or a writer
cannot follow, integers of more digits than can be written again, and values by the million, each of
which takes thirty times its text. `parse_object` refuses them in time that is linear in the text,
the last before anything is parsed, and `quoted` makes any value fit into a sentence.
"""

from __future__ import annotations

import json
from typing import Any

# Real configurations nest five levels deep.
_MAX_DEPTH = 64
# Real ones go up to 1e30, "no limit" of a tokenizer's length.
_MAX_DIGITS = 100
_MAX_QUOTED = 160
# The largest tokenizers, of half a million merge rules, have a million and a half.
_MAX_VALUES = 4_000_000


def quoted(value: object) -> str:
    """A value on one line of printable characters, cut where it is long."""
    text = repr(value)
    return text if len(text) <= _MAX_QUOTED else f"{text[:_MAX_QUOTED]}..."


def parse_object(data: bytes, *, unique: bool) -> dict[str, Any]:
    """The JSON object that a document is.

    Args:
        data: UTF-8 text.
        unique: refuse a name that stands twice in an object; else the last one counts.

    Raises:
        ValueError: it is none; the message goes on after the document's name.
    """
    # Marks within texts are counted too, which costs nothing: real documents stay far below.
    marks = sum(map(data.count, (b",", b"[", b"{")))
    if marks > _MAX_VALUES:
        raise _Refused(f"holds about {marks} values, expected at most {_MAX_VALUES}")
    try:
        document = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique if unique else None,
            parse_int=_integer,
        )
    except _Refused:
        raise
    except ValueError as error:
        raise ValueError(f"is not JSON ({error})") from error
    except RecursionError as error:
        raise ValueError(f"is not JSON that nests at most {_MAX_DEPTH} levels deep") from error
    if not isinstance(document, dict):
        raise _Refused(f"is not JSON of one object, but {_kind(document)}")
    _check_depth(document)
    return document


class _Refused(ValueError):
    """JSON that is valid, but not what we take."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _Refused(f"names {quoted(name)} twice")
            seen.add(name)
    return made


def _integer(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise _Refused(f"holds an integer of {len(text)} digits, expected at most {_MAX_DIGITS}")
    return int(text)


def _check_depth(document: dict[str, Any]) -> None:
    level: list[Any] = [document]
    for _ in range(_MAX_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise _Refused(f"is not JSON that nests at most {_MAX_DEPTH} levels deep")


def _kind(document: object) -> str:
    if isinstance(document, list):
        return "a list"
    return "null" if document is None else f"a {type(document).__name__}"
