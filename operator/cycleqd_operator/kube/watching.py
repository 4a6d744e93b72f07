"""The HTTP session of kopf's watches, by which one object of a tenant cannot end them all.

kopf parses what the API server sends by itself, keeps it until it was handled, and an error there
is the end of the process. So every object is made small on the way, as the cache keeps it, before
the next one is parsed. Runs are the only watched objects whose depth no schema bounds: theirs are
made shallow first.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, Self

import aiohttp
import kopf

from cycleqd_operator.kube.nesting import shallow
from cycleqd_operator.kube.resources import RUN, WATCHED
from cycleqd_operator.kube.trimming import trim
from cycleqd_operator.kube.typed_pages import read_page

LONG_BYTES = 32_768
"""An event of more bytes holds an object that is made small; most objects are smaller."""

_KINDS = {resource.plural: resource.kind for resource in WATCHED}
_CHANGES = ("ADDED", "MODIFIED", "DELETED")


def bounded_session(info: kopf.ConnectionInfo) -> kopf.AiohttpSession:
    """A session to the same place, as the same identity, to which no object is deep or large."""
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=info.as_ssl_context()),
        headers=info.as_http_headers(),
        proxy=info.proxy_url,
        response_class=BoundedResponse,
    )
    return kopf.AiohttpSession(server=info.server, aiohttp_session=session)


class BoundedResponse(aiohttp.ClientResponse):
    """An answer in which objects, listed or watched, can be held and walked by anybody."""

    async def start(self, connection: Any) -> Self:  # noqa: ANN401 - aiohttp does not export it
        """See `aiohttp.ClientResponse.start`."""
        await super().start(connection)
        kind = _KINDS.get(self.url.path.rpartition("/")[2])
        if kind is not None:
            self.content = BoundedLines(self.content, kind)  # type: ignore[assignment]
        return self

    async def json(self, **options: Any) -> Any:  # noqa: ANN401 - any JSON value
        """See `aiohttp.ClientResponse.json`."""
        if isinstance(self.content, BoundedLines):
            options["loads"] = self.content.parse_page
        return await super().json(**options)


class BoundedLines:
    """A stream of JSON lines whose chunks hold whole, bounded lines; in all else the stream itself.

    Args:
        stream: of an answer.
        kind: of the objects in it.
    """

    def __init__(self, stream: aiohttp.StreamReader, kind: str) -> None:
        self._stream = stream
        self._kind = kind

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the stream has
        return getattr(self._stream, name)

    def parse_page(self, text: str) -> Any:  # noqa: ANN401 - any JSON value
        """What a LIST answered, its objects trimmed."""
        return read_page(self._kind, self._shallow(text))

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """Whole lines, as they arrive.

        Args:
            size: most bytes to read at once.
        """
        begun = b""
        async for chunk in self._stream.iter_chunked(size):
            *whole, begun = (begun + chunk).split(b"\n")
            for line in whole:
                yield self._bounded(line) + b"\n"
        if begun:
            yield self._bounded(begun)

    def _bounded(self, line: bytes) -> bytes:
        text = self._shallow(line.decode(errors="replace"))
        if len(line) > LONG_BYTES:
            try:
                event = json.loads(text)
            except ValueError:  # for kopf to tell
                return text.encode()
            if isinstance(event, dict) and event.get("type") in _CHANGES:
                event["object"] = trim(self._kind, event["object"])
                text = json.dumps(event)
        return text.encode()

    def _shallow(self, text: str) -> str:
        return shallow(text) if self._kind == RUN.kind else text
