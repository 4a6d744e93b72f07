"""A page of a LIST, read up to a size and parsed object by object.

An object is parsed into twenty to thirty times its text where it is made of small values. A page of
many such objects as one tree would take what the operator has; so each is made small before the
next one is parsed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp

from cycleqd_operator.kube.nesting import shallow
from cycleqd_operator.kube.objects import Json

_ITEMS = "items"
_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\r\n]*")


class TooLarge(Exception):
    """An answer is longer than it may be."""


async def read_bounded(answer: aiohttp.ClientResponse, most_bytes: int | None) -> bytes:
    """What a server answers.

    Args:
        answer: whose content nobody has read.
        most_bytes: of the content; None for any number.

    Raises:
        TooLarge: there are more, of which hardly any are read.
    """
    if most_bytes is None:
        return await answer.read()
    found = bytearray()
    async for part in answer.content.iter_any():
        found += part
        if len(found) > most_bytes:
            answer.close()
            raise TooLarge
    return bytes(found)


def parse_page(text: str, keep: Callable[[Json], Json]) -> Any:  # noqa: ANN401 - any JSON value
    """The JSON value of a text; where it is a page of a LIST, its objects as they are kept.

    Args:
        text: what the API server answered.
        keep: what is kept of an object.

    Raises:
        ValueError: the text is no JSON.
    """
    try:
        return _Reader(text, keep).value()
    except RecursionError:
        return _Reader(shallow(text), keep).value()


class _Reader:
    """Reads one JSON text from its beginning to its end."""

    def __init__(self, text: str, keep: Callable[[Json], Json]) -> None:
        self._text = text
        self._keep = keep
        self._at = 0

    def value(self) -> Any:  # noqa: ANN401 - any JSON value
        """The whole text."""
        self._skip()
        found = self._page() if self._peek() == "{" else self._next()
        self._skip()
        if self._at != len(self._text):
            raise self._error("end of the text")
        return found

    def _page(self) -> Json:
        """An object, its items one by one."""
        found: Json = {}
        for _ in self._parts("{", "}"):
            key = self._next()
            self._take(":")
            items = key == _ITEMS and self._peek() == "["
            found[key] = [self._item() for _ in self._parts("[", "]")] if items else self._next()
        return found

    def _item(self) -> Any:  # noqa: ANN401 - any JSON value
        found = self._next()
        return self._keep(found) if isinstance(found, dict) else found

    def _parts(self, first: str, last: str) -> Iterator[None]:
        """Stands at the beginning of each part of a list or an object in turn."""
        self._take(first)
        if self._peek() != last:
            yield
            while self._peek() == ",":
                self._take(",")
                yield
        self._take(last)

    def _next(self) -> Any:  # noqa: ANN401 - any JSON value
        found, self._at = _DECODER.raw_decode(self._text, self._at)
        self._skip()
        return found

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self, mark: str) -> None:
        if self._peek() != mark:
            raise self._error(repr(mark))
        self._at += 1
        self._skip()

    def _skip(self) -> None:
        found = _SPACE.match(self._text, self._at)
        self._at = self._at if found is None else found.end()

    def _error(self, expected: str) -> json.JSONDecodeError:
        return json.JSONDecodeError(f"Expecting {expected}", self._text, self._at)
