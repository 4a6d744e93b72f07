"""The other side of `cycleqd.evaluation.sandbox.container`: a harness for each connection.

The process that listens holds nothing worth having and decides nothing. It reads one bounded line
of a client, starts a harness with the connection as its standard input and output, and kills
whatever is below that harness as soon as either end is gone.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cycleqd.evaluation.sandbox.container import Room, object_of
from cycleqd.evaluation.sandbox.harness import kernel
from cycleqd.evaluation.sandbox.harness.killing import descendants
from cycleqd.evaluation.sandbox.harness_process import start_harness
from cycleqd.evaluation.sandbox.room import MOST_SLOTS, cores, free_memory
from cycleqd.evaluation.sandbox.slot import Lines
from cycleqd.evaluation.sandbox.users import SlotUser
from cycleqd.scratch import ScratchFolder

MOST_CONNECTIONS = 2 * MOST_SLOTS
"""Connections at once: a worker's slots, and as many that are about to end."""

WANT_SECONDS = 10.0
"""How long a client may take to say what it wants."""

_LONGEST_WANT = 16 << 20
_PAUSE_SECONDS = 0.01
_STOP_SECONDS = 2.0


@dataclass(frozen=True)
class Want:
    """What a client wants of its harness; see `start_harness`."""

    modules: dict[str, str]
    files: dict[str, str]
    neighbours: int
    namespaces: bool

    @classmethod
    def from_line(cls, line: bytes) -> Want:
        """Read a client's line.

        Raises:
            ValueError: it is no such line.
        """
        want = cls(**object_of(line, cls.__dataclass_fields__.keys()))
        texts = (want.modules, want.files)
        if not (
            all(isinstance(names, dict) for names in texts)
            and all(isinstance(text, str) for names in texts for text in names.values())
            and type(want.neighbours) is int
            and 0 <= want.neighbours < MOST_CONNECTIONS
            and isinstance(want.namespaces, bool)
        ):
            raise ValueError("other values")
        return want


class Listener:
    """Serves harnesses at a Unix socket; its process serves nothing else.

    Whoever may write to the socket may connect: the group of its folder where the folder gives it
    to files in it (a pod's ``fsGroup``), else everybody who has the folder.

    Args:
        path: of the socket, in a folder that exists; one that a killed process left is replaced.
        connections: at once; others are closed.
    """

    def __init__(self, path: Path, *, connections: int = MOST_CONNECTIONS) -> None:
        self._most = connections
        self._lock = threading.Lock()
        self._harnesses: dict[int, subprocess.Popen[bytes]] = {}
        self._threads: set[threading.Thread] = set()
        self._closed = False
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        shared = path.parent.stat().st_mode & stat.S_ISGID
        mask = os.umask(0o117 if shared else 0o111)
        try:
            self._socket.bind(str(path))
        finally:
            os.umask(mask)
        self._socket.listen(connections)

    def serve(self) -> None:
        """Serve until an exception ends it, such as that of a signal."""
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
        while True:
            self._accept()

    def close(self) -> None:
        """End all harnesses and what they started; may be called twice."""
        with self._lock:
            self._closed = True
            kill(self._harnesses)
        self._socket.close()
        deadline = time.monotonic() + _STOP_SECONDS
        for thread in list(self._threads):
            thread.join(max(0.0, deadline - time.monotonic()))

    def _accept(self) -> None:
        try:
            connection, _ = self._socket.accept()
        except OSError:
            time.sleep(_PAUSE_SECONDS)  # the client is gone already, or no descriptor is left
            return
        if len(self._threads) >= self._most:
            connection.close()
            return
        thread = threading.Thread(target=self._attend, args=(connection,), daemon=True)
        self._threads.add(thread)
        thread.start()

    def _attend(self, connection: socket.socket) -> None:
        try:
            with connection:
                line = Lines(connection.fileno(), _LONGEST_WANT).next(WANT_SECONDS)
                # A client that breaks off or says something else gets nothing.
                with suppress(OSError, ValueError):
                    if line is not None:
                        self._serve_harness(connection, Want.from_line(line))
        finally:
            self._threads.discard(threading.current_thread())

    def _serve_harness(self, connection: socket.socket, want: Want) -> None:
        """Start a harness and wait until it or the client ends.

        Raises:
            OSError: the client is gone, or there is no room for a harness.
        """
        connection.settimeout(WANT_SECONDS)
        connection.sendall(Room(cores(), free_memory()).to_line())
        connection.setblocking(True)
        user = SlotUser()
        try:
            with ScratchFolder("sandbox") as folder:
                folder.path.chmod(0o711)
                process = self._start(connection, want, folder, user)
                if process is None:
                    return
                try:
                    _await_end(connection, process)
                finally:
                    self._end(process)
        finally:
            user.release()

    def _start(
        self, connection: socket.socket, want: Want, folder: ScratchFolder, user: SlotUser
    ) -> subprocess.Popen[bytes] | None:
        with self._lock:  # so that no sweep takes it for an orphan
            if self._closed:
                return None
            process = start_harness(
                folder,
                user.uid,
                neighbours=want.neighbours,
                namespaces=want.namespaces,
                modules=want.modules,
                files=want.files,
                line=connection,
            )
            self._harnesses[process.pid] = process
            return process

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        kill([process.pid])
        process.wait()
        with self._lock:
            del self._harnesses[process.pid]
        self._sweep()

    def _sweep(self) -> None:
        """Kill and reap what a harness left that died by itself: it is this process's now."""
        deadline = time.monotonic() + _STOP_SECONDS
        with self._lock:
            while time.monotonic() < deadline:
                kept = set(self._harnesses)
                for harness in self._harnesses:
                    kept |= descendants(harness)
                orphans = descendants(os.getpid()) - kept
                if not orphans:
                    return
                kill(orphans)
                for process in orphans:
                    with suppress(ChildProcessError):
                        os.waitpid(process, os.WNOHANG)
                time.sleep(_PAUSE_SECONDS)


def kill(ancestors: Iterable[int]) -> None:
    """Kill processes and everything below them, however fast it multiplies.

    All are stopped until no unstopped one is left, then killed.
    """
    roots = set(ancestors)
    stopped: set[int] = set()
    fresh = roots
    while fresh:
        for process in fresh:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGSTOP)
        stopped |= fresh
        fresh = set().union(*(descendants(root) for root in roots)) - stopped
    for process in stopped:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def _await_end(connection: socket.socket, process: subprocess.Popen[bytes]) -> None:
    """Wait until the client has hung up, or the harness has ended."""
    handle = os.pidfd_open(process.pid)
    try:
        ends = select.poll()
        ends.register(connection, select.POLLRDHUP)
        ends.register(handle, select.POLLIN)
        ends.poll()
    finally:
        os.close(handle)
