"""As much of the Hugging Face hub as a push of small files asks for, over HTTP on loopback."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

COMMIT = "0" * 40


class Hub(ThreadingHTTPServer):
    """Repositories in memory.

    Attributes:
        files: by repository and path.
        private: whether it was made so, by repository.
        commits: how many there were.
        refuses: answer everything with 403.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.commits = 0
        self.refuses = False

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.refuses:
            self._answer(403, {"error": "no"})
        elif self.path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            exists = name in self.server.files
            self.server.files.setdefault(name, {})
            self.server.private.setdefault(name, asked.get("visibility", "public") == "private")
            self._answer(409 if exists else 200, {"url": f"{self.server.endpoint}/{name}"})
        elif self.path == "/api/validate-yaml":
            self._answer(200, {"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            paths = [file["path"] for file in json.loads(body)["files"]]
            files = [{"path": p, "uploadMode": "regular", "shouldIgnore": False} for p in paths]
            self._answer(200, {"files": files})
        elif "/commit/" in self.path:
            self.server.commits += 1
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    content = base64.b64decode(line["value"]["content"])
                    self._repository()[line["value"]["path"]] = content
            repository = "/".join(self.path.split("/")[3:5])
            url = f"{self.server.endpoint}/{repository}/commit/{COMMIT}"
            self._answer(200, {"commitUrl": url, "commitOid": COMMIT})
        else:
            self._answer(404, {})

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if self.server.refuses:
            self._answer(403, {"error": "no"})
        elif "/tree/" in path:
            files = self._repository().items()
            self._answer(
                200, [{"type": "file", "path": p, "size": len(c), "oid": _oid(c)} for p, c in files]
            )
        elif "/resolve/" in path:
            name, _, rest = path[1:].partition("/resolve/")
            self._send(self.server.files[name][rest.partition("/")[2]], 200)
        elif path.startswith("/api/models/"):
            names = [{"rfilename": name} for name in self._repository()]
            self._answer(200, {"id": "x", "sha": COMMIT, "siblings": names})
        else:
            self._answer(404, {})

    def _repository(self) -> dict[str, bytes]:
        _, _, _, org, name, *_ = self.path.partition("?")[0].split("/")
        return self.server.files[f"{org}/{name}"]

    def _answer(self, status: int, document: object) -> None:
        self._send(json.dumps(document).encode(), status)

    def _send(self, content: bytes, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Type", "application/json")
        self.send_header("ETag", f'"{_oid(content)}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _oid(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


@contextmanager
def running() -> Iterator[Hub]:
    """A hub that serves until the block ends."""
    hub = Hub()
    thread = Thread(target=hub.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join()
