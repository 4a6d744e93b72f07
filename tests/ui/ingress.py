"""The live page behind a real reverse proxy, as an ingress puts it below a path of a host."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import uvicorn
from starlette.applications import Starlette

from cycleqd.ui.serving import listen

HOST = "runs.example.org"
"""The name by which browsers call the ingress."""

HOP = {"connection", "keep-alive", "transfer-encoding"}


class Ingress(ThreadingHTTPServer):
    """Passes what is asked below a path on to the page.

    Args:
        upstream: the page's port.
        path: what browsers ask for begins with it.
        strips: whether it is taken away on the way, as many ingresses do.
        port: to listen on; 0 for a free one.
    """

    daemon_threads = True

    def __init__(self, upstream: int, path: str, strips: bool, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Passing)
        self.upstream = upstream
        self.path = path
        self.strips = strips

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def asked(self, path: str) -> str | None:
        """What the page is asked for; None where the path is not the page's."""
        if not f"{path.partition('?')[0]}/".startswith(f"{self.path}/"):
            return None
        below = path.removeprefix(self.path) if self.strips else path
        return below if below.startswith("/") else f"/{below}"


class _Passing(BaseHTTPRequestHandler):
    server: Ingress
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.server.asked(self.path)
        if path is None:
            self.send_error(404, "the ingress has no such path")
            return
        upstream = HTTPConnection("127.0.0.1", self.server.upstream, timeout=30)
        passed = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
        forwarded = {
            "X-Forwarded-For": "198.51.100.7",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Host": HOST,
            "X-Forwarded-Prefix": "/elsewhere",
        }
        upstream.request("GET", path, headers=passed | forwarded)
        self._pass_back(upstream.getresponse())
        upstream.close()

    def _pass_back(self, answer: HTTPResponse) -> None:
        data = answer.read()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {*HOP, "content-length"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


@contextmanager
def passing(ingress: Ingress) -> Iterator[Ingress]:
    """Run an ingress."""
    thread = threading.Thread(target=ingress.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield ingress
    finally:
        ingress.shutdown()
        ingress.server_close()
        thread.join()


@contextmanager
def answering(app: Starlette) -> Iterator[int]:
    """Serve an application as `cycleqd ui` does; the port."""
    listening = listen("127.0.0.1", 0)
    config = uvicorn.Config(app, log_config=None, proxy_headers=False, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield int(listening.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
