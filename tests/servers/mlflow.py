"""A real MLflow server on loopback, with SQLite behind it and artifacts in a folder."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devcluster.base.processes import ServerProcess, free_port

from tests.servers.peers import PYTHON

START_SECONDS = 500.0
"""It took five minutes on a machine with nine times as much to do as it has cores."""


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """A server that keeps its data in a folder; gives its address."""
    port = free_port()
    command = [
        *(PYTHON, "-m", "mlflow", "server"),
        *("--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.sqlite'}"),
        *("--artifacts-destination", str(folder / "artifacts")),
    ]
    environment = {
        **os.environ,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # more processes, which nobody needs here
    }
    server = ServerProcess(command, environment, folder / "mlflow.log", cwd=folder)
    address = f"http://127.0.0.1:{port}"
    try:
        server.wait_until(lambda: _answers(f"{address}/health"), START_SECONDS)
        yield address
    finally:
        server.stop()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
