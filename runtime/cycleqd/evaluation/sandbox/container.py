"""Programs in another container of the worker's pod, reached over a Unix socket.

There they have another user, no volume of the worker's but one that they cannot write, no
credentials and limits of their own (`cycleqd.evaluation.sandbox.listener` serves them). The kubelet
starts the container again when it ends, after pauses that become longer: it is waited for.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import time
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cycleqd.contract import variables
from cycleqd.errors import SandboxUnavailable
from cycleqd.evaluation.sandbox.slot import START_SECONDS, Lines, Slot, readable_copy
from cycleqd.scratch import ScratchFolder

AWAY_SECONDS = 360.0
"""How long a container that does not answer is waited for: the kubelet's longest pause is 300 s."""

_PAUSE_SECONDS = 0.5
_ANSWER_SECONDS = 10.0


@dataclass(frozen=True)
class Container:
    """Where another container runs programs.

    Attributes:
        socket: where it listens.
        files: folder by the same path in both, for files that programs may read.
    """

    socket: Path
    files: Path

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Container | None:
        """The one that the operator names; None where there is none."""
        path = environment.get(variables.SANDBOX)
        files = environment.get(variables.SANDBOX_FILES)
        return cls(Path(path), Path(files)) if path and files else None


@dataclass(frozen=True)
class Room:
    """What another container has for programs.

    Attributes:
        cores: of its processor.
        memory_bytes: that programs could take when it was asked.
    """

    cores: int
    memory_bytes: int

    def to_line(self) -> bytes:
        """One line of JSON."""
        return json.dumps(asdict(self)).encode("ascii") + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Room:
        """Read what `to_line` made.

        Raises:
            ValueError: it is no such line.
        """
        found = object_of(line, cls.__dataclass_fields__.keys())
        if any(type(value) is not int or value < 0 for value in found.values()):
            raise ValueError("holds other values")
        return cls(**found)


def object_of(line: bytes, fields: AbstractSet[str]) -> dict[str, Any]:
    """Read a line of JSON that is an object of exactly these fields.

    Raises:
        ValueError: it is none.
    """
    try:
        found = json.loads(line)
    except RecursionError as error:
        raise ValueError("is nested too deep") from error
    if not isinstance(found, dict) or found.keys() != fields:
        raise ValueError("has other fields")
    return found


class ContainerSlot(Slot):
    """A harness in another container, and the socket to it.

    Args:
        container: where.
        neighbours: how many programs may run beside its own, in other slots.
        namespaces: use Linux namespaces where they are allowed there, too.

    Attributes:
        room: what the container has, once started.
    """

    def __init__(self, container: Container, *, neighbours: int, namespaces: bool) -> None:
        super().__init__()
        self.room = Room(1, 0)
        self._container = container
        self._neighbours = neighbours
        self._namespaces = namespaces
        self._socket: socket.socket | None = None
        self._folder: ScratchFolder | None = None

    def start(self) -> None:
        """See `Slot.start`; waits for a container that is away."""
        if self._socket is not None:
            return
        deadline = time.monotonic() + AWAY_SECONDS
        while (why := self._reach()) is not None:
            self.stop()
            if time.monotonic() >= deadline:
                raise SandboxUnavailable(
                    f"the container for generated code does not answer at {self._container.socket}"
                    f" ({why}); see its state and its log (kubectl logs -c sandbox), and give it"
                    " more memory where it was killed for want of it"
                )
            time.sleep(_PAUSE_SECONDS)
        self.confinement = "container"

    def _reach(self) -> str | None:
        """Get a harness; why there is none, None for success.

        Raises:
            SandboxUnavailable: there never will be.
        """
        try:
            self._socket = _connected(self._container.socket)
        except OSError as error:
            return str(error)
        self._lines = Lines(self._socket.fileno())
        wanted = {
            "modules": self._modules,
            "files": self._readable(),
            "neighbours": self._neighbours,
            "namespaces": self._namespaces,
        }
        line = json.dumps(wanted).encode("ascii") + b"\n"
        answer = self._lines.next(_ANSWER_SECONDS) if self._send(line, _ANSWER_SECONDS) else None
        if answer is None:
            return "it has ended, or has too many connections"
        try:
            self.room = Room.from_line(answer)
        except ValueError as error:
            return f"its answer {error}"
        return None if self._greeted(START_SECONDS) else "its harness did not start"

    def _readable(self) -> Mapping[str, str]:
        """Where programs find each file, in a folder that the other container has too."""
        shared = self._container.files
        found = {}
        for number, path in enumerate(self._files):
            if not Path(path).exists():
                continue  # its tasks are gone, and it with them
            if Path(path).is_relative_to(shared):
                found[path] = path
                continue
            if self._folder is None:
                self._folder = ScratchFolder("files", shared)
                self._folder.path.chmod(0o711)
            found[path] = readable_copy(path, self._folder.path, number)
        return found

    def _send(self, line: bytes, seconds: float) -> bool:
        assert self._socket is not None
        self._socket.settimeout(seconds)
        try:
            self._socket.sendall(line)
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """See `Slot.stop`; the other side kills what runs."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._lines = None
        if self._folder is not None:
            self._folder.close()
            self._folder = None


def _connected(path: Path) -> socket.socket:
    """A connection to a socket.

    No link is followed: whoever has the container could otherwise lead the worker to another.

    Raises:
        OSError: there is none, or nobody listens.
    """
    entry = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if not stat.S_ISSOCK(os.fstat(entry).st_mode):
            raise ConnectionRefusedError("no socket is there")
        found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        found.settimeout(_ANSWER_SECONDS)
        try:
            found.connect(f"/proc/self/fd/{entry}")
        except OSError:
            found.close()
            raise
        return found
    finally:
        os.close(entry)
