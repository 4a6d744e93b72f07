"""The small HTTP server of a pod: ``/healthz`` for the kubelet, ``/metrics`` for Prometheus.

It answers as soon as the process runs: a worker is healthy while a model loads or the store is
away, since restarting it would help neither.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from cycleqd.contract.pods import HEALTH_PATH, METRICS_PATH
from cycleqd.contract.variables import HEALTH_PORT
from cycleqd.errors import InputError


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    address_family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


def _handler(registry: CollectorRegistry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            if self.path == HEALTH_PATH:
                self._answer(HTTPStatus.OK, "text/plain", b"ok\n")
            elif self.path == METRICS_PATH:
                self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(registry))
            else:
                self._answer(
                    HTTPStatus.NOT_FOUND,
                    "text/plain",
                    f"{HEALTH_PATH} or {METRICS_PATH}\n".encode(),
                )

        def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Probes come every few seconds and are no news."""

    return Handler


@contextmanager
def serving(port: int, registry: CollectorRegistry) -> Iterator[int]:
    """Serve while the block runs; gives the port.

    Raises:
        InputError: the port is taken.
    """
    try:
        server = _Server(("", port), _handler(registry))
    except OSError as error:
        raise InputError(f"{HEALTH_PORT}: {port} cannot be used: {error.strerror}") from error
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
