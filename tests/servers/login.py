"""A door before a server: it passes on only what brings a token, as proxies before MLflow do."""

from __future__ import annotations

import secrets
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

HOP = {"connection", "keep-alive", "transfer-encoding", "host", "authorization", "content-length"}
UPSTREAM_SECONDS = 120.0


class Door(ThreadingHTTPServer):
    """Passes on what brings the token; all else is answered 401.

    Args:
        upstream: address of the server behind, ``http://host:port``.
        host: address to listen on.

    Attributes:
        token: made anew for each door.
        answers: how many requests were let in (True) and refused (False).
    """

    daemon_threads = True

    def __init__(self, upstream: str, host: str) -> None:
        super().__init__((host, 0), _Passing)
        self.upstream = urlsplit(upstream).netloc
        self.token = secrets.token_hex(16)
        self.answers: Counter[bool] = Counter()

    @property
    def address(self) -> str:
        """What clients call."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"


class _Passing(BaseHTTPRequestHandler):
    server: Door
    protocol_version = "HTTP/1.1"

    def _pass(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        allowed = self.headers.get("Authorization") == f"Bearer {self.server.token}"
        self.server.answers[allowed] += 1
        if not allowed:
            self._answer(401, [], b"log in")
            return
        upstream = HTTPConnection(self.server.upstream, timeout=UPSTREAM_SECONDS)
        passed = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
        upstream.request(self.command, self.path, data, passed)
        answer = upstream.getresponse()
        self._answer(answer.status, answer.getheaders(), answer.read())
        upstream.close()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass  # noqa: N815 - names of the base

    def _answer(self, status: int, headers: list[tuple[str, str]], data: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


@contextmanager
def before(upstream: str, host: str) -> Iterator[Door]:
    """A door before a server while the block lasts."""
    door = Door(upstream, host)
    thread = threading.Thread(target=door.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield door
    finally:
        door.shutdown()
        door.server_close()
        thread.join()
