"""Who is answered, and what every answer says to browsers.

They load nothing from elsewhere, and run nothing that is not ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; frame-ancestors 'none'"
)
"""Of a report out of the store: a page of its own without scripts, whoever wrote it."""

HEALTH = "/healthz"
"""Tells nothing, so whoever asks is answered: probes call a pod by its number."""

HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "clipboard-write=(self)",
    "cache-control": "no-store",
}


class SecureHeaders:
    """Adds `HEADERS` to every answer that does not set them itself.

    Args:
        app: whose answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message.get("headers", ())}
                missing = [
                    (name.encode(), value.encode())
                    for name, value in HEADERS.items()
                    if name.encode() not in given
                ]
                message = {**message, "headers": [*message.get("headers", ()), *missing]}
            await send(message)

        await self._app(scope, receive, secured)


class KnownNames:
    """Refuses requests to a name that is not the page's own.

    Args:
        app: who answers; the request has its path below a ``root_path``.
        names: lower-case hosts without ports; ``*`` for any, ``*.example.org`` for those below.
    """

    def __init__(self, app: ASGIApp, names: Sequence[str]) -> None:
        self._app = app
        self._names = tuple(names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "http" and scope["path"].removeprefix(scope["root_path"]) != HEALTH:
            name = name_of(Headers(scope=scope).get("host", ""))
            if not any(_fits(name, known) for known in self._names):
                message = (
                    f"This page does not know itself by the name {name!r}. Where the name is its "
                    "own, start it with --allow-host NAME (in the chart: ui.allowedHosts).\n"
                )
                await PlainTextResponse(message, 400)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def name_of(host: str) -> str:
    """The name in a request's ``Host``: no port, lower case; an IPv6 address keeps its brackets."""
    end = host.find("]") + 1 if host.startswith("[") else host.find(":")
    return (host[:end] if end > 0 else host).lower()


def _fits(name: str, known: str) -> bool:
    return known in ("*", name) or (known.startswith("*.") and name.endswith(known[1:]))
