"""Servers that misbehave on purpose: S3 stubs without conditional writes, and a breaking wire."""

from __future__ import annotations

import contextlib
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator


class StubS3(ThreadingHTTPServer):
    """A small S3 whose faults are switches.

    Args:
        ignores_put_condition: overwrites although ``If-None-Match: *`` is sent.
        ignores_complete_condition: the same for CompleteMultipartUpload only.
        refuses_condition: answers 501 to the header, as servers of old do.
        conflicts: that many creates are answered 409 ConditionalRequestConflict first.
    """

    daemon_threads = True

    def __init__(
        self,
        *,
        ignores_put_condition: bool = False,
        ignores_complete_condition: bool = False,
        refuses_condition: bool = False,
        conflicts: int = 0,
    ) -> None:
        super().__init__(("127.0.0.1", 0), _StubHandler)
        self.ignores_put_condition = ignores_put_condition
        self.ignores_complete_condition = ignores_complete_condition
        self.refuses_condition = refuses_condition
        self.conflicts = conflicts
        self.objects: dict[str, tuple[bytes, dict[str, str]]] = {}
        self.parts: dict[str, bytes] = {}
        self.lock = threading.Lock()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _StubHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StubS3

    def log_message(self, *_: object) -> None:
        pass

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        path, query = self._split()
        if "uploadId" in query:
            self.server.parts[path] = body
            return self._answer(200, headers={"ETag": '"part"'})
        return self._create(path, body, ignores=self.server.ignores_put_condition)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, query = self._split()
        if query.startswith("uploads"):
            return self._answer(200, b"<R><UploadId>one</UploadId></R>")
        ignores = self.server.ignores_put_condition or self.server.ignores_complete_condition
        return self._create(path, self.server.parts.pop(path), ignores=ignores)

    def do_GET(self) -> None:
        path, query = self._split()
        if "uploads" in query or "list-type" in query:
            return self._answer(200, b"<R></R>")
        if path not in self.server.objects:
            return self._error(404, "NoSuchKey")
        data, metadata = self.server.objects[path]
        return self._answer(200, data, metadata)

    do_HEAD = do_GET  # noqa: N815 - the name is the base class's

    def do_DELETE(self) -> None:
        path, query = self._split()
        if "uploadId" not in query:
            self.server.objects.pop(path, None)
        self._answer(204)

    def _split(self) -> tuple[str, str]:
        parts = urlsplit(self.path)
        return parts.path, parts.query

    def _create(self, path: str, body: bytes, *, ignores: bool) -> None:
        conditional = self.headers.get("If-None-Match") == "*"
        with self.server.lock:
            if conditional and self.server.refuses_condition:
                return self._error(501, "NotImplemented")
            if conditional and self.server.conflicts:
                self.server.conflicts -= 1
                return self._error(409, "ConditionalRequestConflict")
            if conditional and not ignores and path in self.server.objects:
                return self._error(412, "PreconditionFailed")
            metadata = {k: v for k, v in self.headers.items() if k.lower().startswith("x-amz-meta")}
            self.server.objects[path] = (body, metadata)
            return self._answer(200, b"<R><ETag>x</ETag></R>", {"ETag": '"x"'})

    def _error(self, status: int, code: str) -> None:
        self._answer(status, f"<Error><Code>{code}</Code><Message>m</Message></Error>".encode())

    def _answer(
        self, status: int, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextmanager
def stub_s3(**faults: Any) -> Iterator[StubS3]:
    server = StubS3(**faults)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class Wire:
    """A TCP proxy before a server, whose answers can be cut.

    Args:
        endpoint: the server behind.
        cut_after: answers break off after that many bytes; None lets them through.
        cuts: that many answers break; then all is well, unless `dies`.
        dies: after the first cut nobody listens any more.
    """

    def __init__(
        self, endpoint: str, *, cut_after: int | None = None, cuts: int = 1, dies: bool = False
    ) -> None:
        parts = urlsplit(endpoint)
        self._target = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.cut_after = cut_after
        self.cuts = cuts
        self.cut = 0
        self._dies = dies
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._target) as server:
            threading.Thread(target=self._pump, args=(client, server, False), daemon=True).start()
            self._pump(server, client, True)

    def _pump(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if answers and self._cuts_now(passed + len(data)):
                    break
                sink.sendall(data)
                passed += len(data)
            for end in (source, sink):
                end.shutdown(socket.SHUT_RDWR)

    def _cuts_now(self, passed: int) -> bool:
        with self._lock:
            if self.cut_after is None or passed <= self.cut_after or self.cut >= self.cuts:
                return False
            self.cut += 1
            if self._dies:
                self.close()
            return True


@contextmanager
def wire(endpoint: str, **faults: Any) -> Iterator[Wire]:
    made = Wire(endpoint, **faults)
    try:
        yield made
    finally:
        made.close()
