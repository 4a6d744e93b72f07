"""The path that the page stands below, where an ingress gives it one: ``/cycleqd``.

Some proxies take the path away before they pass a request on, others leave it; both are answered,
and so is whoever comes without a proxy (a probe, a forwarded port). Links always begin with the
path. No answer redirects and none names a scheme or a host, so nothing that a proxy adds to a
request (``X-Forwarded-*``) is needed, and none of it is believed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cycleqd.errors import InputError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

OWN = frozenset({"api", "compare", "healthz", "runs", "static"})
"""First segments of the page's own addresses: below one of them nobody could tell the two apart."""

_SEGMENT = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._~-]+")


def root_of(text: str) -> str:
    """The path that a person gave, without a slash at its end; empty for none.

    Raises:
        InputError: it cannot be one; the message names the option and a path that can.
    """
    path = text.rstrip("/")
    if not path:
        return ""
    begin, *segments = path.split("/")
    if begin or not all(_SEGMENT.fullmatch(segment) for segment in segments):
        raise InputError(
            f"--root-path: {text!r} is not the path of an address; give one that begins with a "
            "slash and has letters, digits and -._~ between slashes, such as /cycleqd"
        )
    if segments[0] in OWN:
        raise InputError(
            f"--root-path: /{segments[0]} is an address of the page itself; "
            "give another, such as /cycleqd"
        )
    return path


class BelowRoot:
    """Gives each request the path that it has below a root, and takes a slash from its end.

    Args:
        app: who answers; it is told the root by the request's ``root_path``.
        root: as of `root_of`.
    """

    def __init__(self, app: ASGIApp, root: str) -> None:
        self._app = app
        self._root = root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "http":
            path = scope["path"]
            if f"{path}/".startswith(f"{self._root}/"):
                path = path[len(self._root) :]
            path = path.rstrip("/") or "/"
            scope = {**scope, "root_path": self._root, "path": f"{self._root}{path}"}
        await self._app(scope, receive, send)
