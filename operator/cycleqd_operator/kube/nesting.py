"""Objects of a depth that every walk over them can take.

Where a schema keeps unknown fields, as in the pod templates of a run, the API server stores JSON
of up to 10,000 levels. Python's parser gives up at about 1,000, a walk of our own or of kopf's
earlier. What lies deeper than `LEVELS` is therefore cut out before anybody walks it. Enough of the
depth is left for the reader of manifests to see that it is too much, and to refuse that one run.
"""

from __future__ import annotations

import json
import re
from typing import Any

LEVELS = 100
"""Levels of an API object that are kept; above those of a manifest and what wraps it in a list."""

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)


def shallow(text: str) -> str:
    """A JSON text with ``null`` in place of each list and mapping below `LEVELS`.

    Args:
        text: one JSON value; anything else is returned no better than it was.
    """
    if text.count("{") + text.count("[") <= LEVELS:
        return text
    kept: list[str] = []
    depth = start = 0
    for token in _TOKEN.finditer(text):
        match token[0]:
            case "{" | "[":
                depth += 1
                if depth == LEVELS + 1:
                    kept += text[start : token.start()], "null"
            case "}" | "]":
                if depth == LEVELS + 1:
                    start = token.end()
                depth -= 1
    return "".join([*kept, text[start:]])


def parse_json(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """The value of a JSON text, whatever its depth.

    Raises:
        ValueError: the text is no JSON.
    """
    try:
        return json.loads(text)
    except RecursionError:
        return json.loads(shallow(text))
