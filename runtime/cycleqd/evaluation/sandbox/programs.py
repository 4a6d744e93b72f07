"""What goes into the sandbox and what comes out, as values that travel as one line of JSON.

Both sides of the wall import this module, so it stays small and free of behaviour.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import ClassVar, Literal

MEBIBYTE = 1 << 20

Status = Literal["passed", "failed", "timeout", "limit"]
"""How a program ended.

``passed``: it ran to its end (python: and its tests passed). ``failed``: it raised, or died.
``timeout``: it used up its time. ``limit``: it wrote more than it may.
"""

Cell = str | int | float | None


@dataclass(frozen=True)
class Limits:
    """What one program may use.

    Attributes:
        cpu_seconds: processor time of each of its processes, rounded up to whole seconds.
        wall_seconds: time until everything it started is killed.
        memory_bytes: address space of each of its processes.
        processes: processes and threads at once (python and sql programs: threads only).
        file_bytes: size of one file.
        disk_bytes: size of all files together.
        files: number of files and folders.
        output_bytes: what it may print, or send back as rows.
    """

    cpu_seconds: float = 5.0
    wall_seconds: float = 15.0
    memory_bytes: int = 512 * MEBIBYTE
    processes: int = 32
    file_bytes: int = 16 * MEBIBYTE
    disk_bytes: int = 32 * MEBIBYTE
    files: int = 1024
    output_bytes: int = 256 * 1024


@dataclass(frozen=True)
class PythonProgram:
    """Python source whose tests decide.

    Attributes:
        setup: trusted source that runs first.
        code: generated source.
        tests: trusted source that runs last, in the same namespace; an exception means failed.
        limits: what it may use.
    """

    kind: ClassVar[str] = "python"
    setup: str
    code: str
    tests: str
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class SqlProgram:
    """SQL for an SQLite database in memory.

    Attributes:
        database: trusted script that makes the tables.
        code: generated statements.
        check: trusted query that runs afterwards, whose rows are reported instead.
        limits: what it may use.
    """

    kind: ClassVar[str] = "sql"
    database: str
    code: str
    check: str | None = None
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class ShellProgram:
    """A shell script in a fresh folder.

    Attributes:
        files: text by relative path, written before.
        code: the generated script.
        read: relative paths whose text is reported afterwards.
        limits: what it may use.
    """

    kind: ClassVar[str] = "shell"
    files: dict[str, str]
    code: str
    read: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)


Program = PythonProgram | SqlProgram | ShellProgram


@dataclass(frozen=True)
class Report:
    """What one program did.

    Attributes:
        status: how it ended.
        detail: one line for people; never part of a verdict.
        stdout: what a shell program printed, undecodable bytes replaced.
        files: text of the files in ``ShellProgram.read`` that are regular files at the end.
        rows: rows of an SQL program; blobs as ``X'..'`` in upper-case hexadecimal.
    """

    status: Status
    detail: str = ""
    stdout: str = ""
    files: dict[str, str] = field(default_factory=dict)
    rows: tuple[tuple[Cell, ...], ...] = ()


def encode(message: Program | Report) -> bytes:
    """One line of ASCII JSON, ending in a newline."""
    document = asdict(message)
    if not isinstance(message, Report):
        document["kind"] = message.kind
    return json.dumps(document).encode("ascii") + b"\n"


def decode_program(line: bytes) -> Program:
    """The program of a line that `encode` made."""
    document = json.loads(line)
    kind = document.pop("kind")
    document["limits"] = Limits(**document["limits"])
    if kind == PythonProgram.kind:
        return PythonProgram(**document)
    if kind == SqlProgram.kind:
        return SqlProgram(**document)
    document["read"] = tuple(document["read"])
    return ShellProgram(**document)


def decode_report(line: bytes) -> Report:
    """The report of a line that `encode` made."""
    document = json.loads(line)
    document["rows"] = tuple(tuple(row) for row in document["rows"])
    return Report(**document)
