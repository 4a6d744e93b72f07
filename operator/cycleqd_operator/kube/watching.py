"""The HTTP session of kopf's watches, by which one deep object cannot end them all.

kopf parses what the API server sends by itself, and an error there is the end of the process. Runs
are the only watched objects whose depth no schema bounds, so theirs are made shallow on the way.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, Self

import aiohttp
import kopf

from cycleqd_operator.kube.nesting import shallow
from cycleqd_operator.kube.resources import RUN


def shallow_session(info: kopf.ConnectionInfo) -> kopf.AiohttpSession:
    """A session to the same place, as the same identity, to which runs are never deep."""
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=info.as_ssl_context()),
        headers=info.as_http_headers(),
        proxy=info.proxy_url,
        response_class=ShallowResponse,
    )
    return kopf.AiohttpSession(server=info.server, aiohttp_session=session)


class ShallowResponse(aiohttp.ClientResponse):
    """An answer in which runs, listed or watched, can be walked by anybody."""

    async def start(self, connection: Any) -> Self:  # noqa: ANN401 - aiohttp does not export it
        """See `aiohttp.ClientResponse.start`."""
        await super().start(connection)
        if self.url.path.endswith(f"/{RUN.plural}"):
            self.content = ShallowLines(self.content)  # type: ignore[assignment]
        return self

    async def json(self, **options: Any) -> Any:  # noqa: ANN401 - any JSON value
        """See `aiohttp.ClientResponse.json`."""
        if isinstance(self.content, ShallowLines):
            options["loads"] = lambda text: json.loads(shallow(text))
        return await super().json(**options)


class ShallowLines:
    """A stream of JSON lines whose chunks hold whole, shallow lines; in all else the stream itself.

    Args:
        stream: of an answer.
    """

    def __init__(self, stream: aiohttp.StreamReader) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the stream has
        return getattr(self._stream, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """Whole lines, as they arrive.

        Args:
            size: most bytes to read at once.
        """
        begun = b""
        async for chunk in self._stream.iter_chunked(size):
            *whole, begun = (begun + chunk).split(b"\n")
            for line in whole:
                yield _shallow_line(line) + b"\n"
        if begun:
            yield _shallow_line(begun)


def _shallow_line(line: bytes) -> bytes:
    return shallow(line.decode(errors="replace")).encode()
