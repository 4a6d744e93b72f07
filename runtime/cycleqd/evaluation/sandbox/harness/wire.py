"""Frames between the judge of a Python answer and the answer: a length, and that much JSON.

Each end treats the other's bytes as hostile. A frame is bounded before it is read, JSON makes
nothing but numbers, texts, lists and dictionaries, and whatever is no frame ends the process that
reads it: there is nothing to go on with.
"""

# Values are whatever tests and answers make of them.
# ruff: noqa: ANN401

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any, NoReturn

MOST_BYTES = 32 << 20
"""The longest frame."""

GONE = 3
"""Exit code of a judge whose answer's process has closed its pipe: how that ended says why."""

_LENGTH_BYTES = 4
_dumps = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_loads = json.loads
_read, _write = os.read, os.write


class Wire:
    """One end of the pipes.

    Args:
        source: descriptor to read frames from.
        target: descriptor to write frames to.
        gone: called where the other end is closed; does not come back.
        broken: called where what came is no frame, or a frame would be too long; neither.
    """

    def __init__(
        self,
        source: int,
        target: int,
        gone: Callable[[], NoReturn],
        broken: Callable[[], NoReturn],
    ) -> None:
        self._source = source
        self._target = target
        self._gone = gone
        self.broken = broken

    def send(self, message: Any) -> None:
        """Send something that is JSON."""
        try:
            body = _dumps(message).encode("ascii")
        except (ValueError, RecursionError, MemoryError):
            self.broken()
        if len(body) > MOST_BYTES:
            self.broken()
        left = memoryview(len(body).to_bytes(_LENGTH_BYTES, "big") + body)
        try:
            while left:
                left = left[_write(self._target, left) :]
        except OSError:
            self._gone()

    def receive(self) -> Any:
        """The next message."""
        length = int.from_bytes(self._exactly(_LENGTH_BYTES), "big")
        if length > MOST_BYTES:
            self.broken()
        try:
            return _loads(self._exactly(length))
        except (ValueError, RecursionError, MemoryError):
            self.broken()

    def _exactly(self, count: int) -> bytes:
        data = b""
        try:
            data = _read(self._source, count)
            if data and len(data) < count:
                parts = [data]
                left = count - len(data)
                while left and parts[-1]:
                    parts.append(_read(self._source, min(left, 1 << 20)))
                    left -= len(parts[-1])
                data = b"".join(parts)
        except OSError:
            self._gone()
        if len(data) < count:
            self._gone()
        return data
