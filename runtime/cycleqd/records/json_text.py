"""JSON of unknown origin: one meaning, or a `ValueError` that says what is wrong.

Python's parser takes more than JSON (``NaN``), lets the last of two equal names win, reads
``1e999`` as infinity, and gives up with other exceptions on deep nesting. A document that two
readers may understand differently is none.
"""

from __future__ import annotations

import json
from collections import Counter
from math import isfinite
from typing import Any

MAX_SHOWN = 80


def parse_json(data: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """The value of a JSON text in UTF-8.

    Raises:
        ValueError: it is none, names a field twice, or holds a number that is not finite.
    """
    try:
        return json.loads(
            data.decode(),
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except UnicodeDecodeError as error:
        raise ValueError(f"no UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise ValueError(
            f"no JSON at line {error.lineno}, column {error.colno}: {error.msg}"
        ) from error
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        raise ValueError(f"{twice[:MAX_SHOWN]!r} stands there twice")
    return fields


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"{text[:MAX_SHOWN]} is too large a number")
    return number
