"""The two streams: results on standard output, progress and errors on standard error."""

from __future__ import annotations

import json
import os
from typing import Any

from rich.console import Console

PIPED_WIDTH = 120
"""Columns where the output is no terminal and ``COLUMNS`` is not set."""


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console = Console(stderr=stderr, width=PIPED_WIDTH)
    return console


output = _console(stderr=False)
errors = _console(stderr=True)


def print_json(value: Any) -> None:  # noqa: ANN401 - any JSON value
    """Machine-readable output, whole lines, no colours."""
    print(json.dumps(value, indent=2, sort_keys=True))
