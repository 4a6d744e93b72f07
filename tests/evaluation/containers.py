"""A listener for programs as it runs in a container beside the worker: as another user."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest
from other_users import python_of  # type: ignore[import-not-found]  # found beside the tests

from cycleqd.evaluation.sandbox import Container
from cycleqd.evaluation.sandbox.harness import landlock
from cycleqd.evaluation.sandbox.harness.killing import descendants

USER = 65533
RUNTIME = Path(__file__).parents[2] / "runtime"
SERVE = """
import signal, sys
from pathlib import Path
from cycleqd.evaluation.sandbox import listener
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
served = listener.Listener(Path(sys.argv[1]), connections=int(sys.argv[2]))
print("listening", flush=True)
try:
    served.serve()
finally:
    served.close()
"""


class PlayedContainer:
    """A folder for the socket as a pod has it, and the process that listens there.

    Its user differs from this process's where that is root.

    Args:
        connections: at once.
    """

    def __init__(self, connections: int = 16) -> None:
        # Short: the path of a socket has 108 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="cycleqd-side-"))
        self.folder.chmod(0o755)
        for name, mode in (("socket", 0o2777), ("files", 0o755), ("tmp", 0o1777)):
            (self.folder / name).mkdir()
            (self.folder / name).chmod(mode)
        self.place = Container(self.folder / "socket" / "s", self.folder / "files")
        self._connections = connections
        self.process: subprocess.Popen[str] | None = None
        self.start()

    def start(self) -> None:
        """Start it, as the kubelet does again when it has ended."""
        command = [*python_of(USER, os.getgid()), "-c", SERVE, str(self.place.socket)]
        self.process = subprocess.Popen(
            [*command, str(self._connections)],
            env={
                "PATH": "/usr/bin:/bin",
                "PYTHONPATH": str(RUNTIME),
                "PYTHONDONTWRITEBYTECODE": "1",
                "TMPDIR": str(self.folder / "tmp"),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        if self.process.stdout.readline() != "listening\n":
            assert self.process.stderr is not None
            pytest.fail(self.process.stderr.read())

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send it a signal and wait for its end; its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(30)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return code

    def processes(self) -> set[int]:
        """All below it."""
        assert self.process is not None
        return descendants(self.process.pid)

    def close(self) -> None:
        """End it and remove its folder."""
        assert self.process is not None
        if self.process.poll() is None:
            self.end()
        shutil.rmtree(self.folder)


def has_landlock() -> bool:
    """Whether the kernel contains programs of an unprivileged user without namespaces."""
    return landlock.abi() > 0
