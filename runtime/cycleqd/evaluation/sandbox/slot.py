"""One place where programs run one after the other: a harness, and the line to it.

How a harness is started and reached is a subclass's: a process of the worker's own
(`cycleqd.evaluation.sandbox.sandbox`), or one in another container
(`cycleqd.evaluation.sandbox.container`). Whatever it answers may be the work of a program that
broke out of it, so what is read is bounded in size and time and taken for nothing but a report.
"""

from __future__ import annotations

import inspect
import json
import os
import select
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

from cycleqd.errors import SandboxUnavailable
from cycleqd.evaluation.sandbox.programs import (
    Program,
    PythonProgram,
    Report,
    ShellProgram,
    SqlProgram,
    decode_report,
    encode,
)

START_SECONDS = 60.0
"""How long a harness may take until it greets."""

LONGEST_LINE = 64 << 20
"""Bytes of a message in either direction; the largest honest one is far smaller."""

_GRACE_SECONDS = 30.0
_UNAVAILABLE = b'{"unavailable"'
_LONGEST_REASON = 500


@dataclass(frozen=True)
class Fault:
    """No verdict: the harness died, or could not contain the program.

    Attributes:
        report: the program's, should it turn out to be its own doing.
    """

    report: Report


class Lines:
    """Lines that somebody else writes, from a pipe or a socket.

    Args:
        handle: descriptor to read from; stays the caller's.
        longest: a longer line is none.
    """

    def __init__(self, handle: int, longest: int = LONGEST_LINE) -> None:
        self._handle = handle
        self._longest = longest
        self._pending = bytearray()

    def next(self, seconds: float) -> bytes | None:
        """The next line, or None when there is none within the time and the length."""
        deadline = time.monotonic() + seconds
        seen = 0
        while (end := self._pending.find(b"\n", seen)) < 0:
            seen = len(self._pending)
            left = deadline - time.monotonic()
            if seen > self._longest or left <= 0:
                return None
            if not select.select([self._handle], [], [], left)[0]:
                return None
            try:
                data = os.read(self._handle, 1 << 16)
            except OSError:
                return None
            if not data:
                return None
            self._pending += data
        line = bytes(self._pending[:end])
        del self._pending[: end + 1]
        return line


class Slot(ABC):
    """A harness, replaced whenever it fails.

    Attributes:
        confinement: see `Sandbox.confinement`; empty before the first start.
    """

    def __init__(self) -> None:
        self.confinement = ""
        self._lines: Lines | None = None
        self._files: dict[str, None] = {}
        self._modules: dict[str, str] = {}
        for kind in (PythonProgram, ShellProgram, SqlProgram):
            self._modules |= _modules_of(kind)

    @abstractmethod
    def start(self) -> None:
        """Start the harness unless it runs.

        Raises:
            SandboxUnavailable: it says that it cannot contain programs, or does not start.
        """

    @abstractmethod
    def stop(self) -> None:
        """End the harness and remove its folders; may be called twice."""

    @abstractmethod
    def _send(self, line: bytes, seconds: float) -> bool:
        """Whether the harness took a line."""

    def admit(self, programs: Sequence[Program]) -> None:
        """Make ready for programs: what they need cannot be reached once the walls are up."""
        modules: dict[str, str] = {}
        for kind in {type(program) for program in programs}:
            modules |= _modules_of(kind)
        files = {path: None for program in programs for path in program.links.values()}
        if not (modules.keys() <= self._modules.keys() and files.keys() <= self._files.keys()):
            self.stop()
            self._modules |= modules
            self._files |= files

    def run(self, program: Program) -> Report | Fault:
        """Run one program, once.

        After a fault the next program gets a new harness in another folder, which serves only after
        it has contained a program that is known to be good.

        Raises:
            SandboxUnavailable: there is no such harness: programs cannot be contained here.
        """
        self.start()
        assert self._lines is not None
        limit = program.limits.wall_seconds + _GRACE_SECONDS
        line = self._lines.next(limit) if self._send(encode(program), limit) else None
        if line is None:
            # Killed from outside (out of memory), or stuck.
            fault = Report("limit", "the sandbox process died with it")
        elif line.startswith(_UNAVAILABLE):
            fault = Report("failed", _said(line).get("unavailable", ""))
        else:
            try:
                return decode_report(line)
            except ValueError:
                fault = Report("failed", "the sandbox process sent something else than a report")
        self.stop()
        return Fault(fault)

    def _greeted(self, seconds: float) -> str | None:
        """How the harness contains programs, or None where it does not say so in time.

        Raises:
            SandboxUnavailable: it says that it cannot.
        """
        assert self._lines is not None
        line = self._lines.next(seconds)
        if line is None:
            return None
        greeting = _said(line)
        if "unavailable" in greeting:
            self.stop()
            raise SandboxUnavailable(
                f"generated code cannot be contained on this machine: {greeting['unavailable']}"
            )
        return greeting.get("ready")


def _said(line: bytes) -> dict[str, str]:
    """A harness's words about itself, fit for people; empty where they are no such thing."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {
        name: "".join(sign if sign.isprintable() else " " for sign in text[:_LONGEST_REASON])
        for name, text in found.items()
        if isinstance(text, str)
    }


def readable_copy(path: str, folder: Path, number: int) -> str:
    """A copy of a file in a folder, that everybody may read."""
    copy = folder / f"file-{number}"
    shutil.copyfile(path, copy)
    copy.chmod(0o444)
    return str(copy)


def is_open(file: Path) -> bool:
    """Whether everybody may read a file, and get to it."""
    search = all(folder.stat().st_mode & 0o001 for folder in file.parents)
    return search and bool(file.stat().st_mode & 0o004)


def _modules_of(kind: type[Program]) -> dict[str, str]:
    """The modules of a program's class and of how it runs, each with the folder it is found in."""
    return {name: _folder_of(name) for name in (kind.__module__, kind.harness)}


@cache
def _folder_of(module: str) -> str:
    file = Path(inspect.getfile(import_module(module))).resolve()
    depth = module.count(".") + (file.name == "__init__.py")
    return str(file.parents[depth])
