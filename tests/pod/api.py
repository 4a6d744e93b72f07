"""A ConfigMap over HTTP: isolates how progress is published from a whole Kubernetes.

It answers GET and PATCH of one ConfigMap, keeps what was patched with the time, and fails when
told to. That a real API server understands the same calls is shown in the tier ``controlplane``.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml

from cycleqd.contract.config_maps import PROGRESS
from cycleqd.contract.progress import Progress

NAMESPACE = "demo"
NAME = "synthetic-progress"


class ConfigMapServer:
    def __init__(self) -> None:
        self.data: dict[str, str] = {}
        self.patches: list[tuple[float, Progress]] = []
        self.failing = False
        self.refused = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self, status: int, body: object) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def _serve(self, patch: dict[str, str]) -> None:
                path = f"/api/v1/namespaces/{NAMESPACE}/configmaps/{NAME}"
                if outer.failing:
                    outer.refused += 1
                    self._answer(503, {"kind": "Status", "status": "Failure", "code": 503})
                elif self.path.partition("?")[0] != path:
                    self._answer(404, {"kind": "Status", "status": "Failure", "code": 404})
                else:
                    outer.data.update(patch)
                    if patch:
                        told = Progress.from_json(patch[PROGRESS])
                        outer.patches.append((time.monotonic(), told))
                    meta = {"name": NAME, "namespace": NAMESPACE}
                    self._answer(
                        200,
                        {
                            "apiVersion": "v1",
                            "kind": "ConfigMap",
                            "metadata": meta,
                            "data": outer.data,
                        },
                    )

            def do_GET(self) -> None:
                self._serve({})

            def do_PATCH(self) -> None:
                length = int(self.headers["Content-Length"])
                self._serve(json.loads(self.rfile.read(length))["data"])

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    @property
    def progress(self) -> Progress:
        return Progress.from_json(self.data[PROGRESS])

    def kubeconfig(self, path: Path) -> Path:
        host, port = self._server.server_address[:2]
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": f"http://{host!s}:{port}"}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        path.write_text(yaml.safe_dump(document))
        return path


@contextmanager
def serving() -> Iterator[ConfigMapServer]:
    server = ConfigMapServer()
    thread = threading.Thread(target=server._server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server._server.shutdown()
        server._server.server_close()
