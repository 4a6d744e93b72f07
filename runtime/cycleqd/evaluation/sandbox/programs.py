"""What goes into the sandbox and what comes out, as values that travel as one line of JSON.

Both sides of the wall import this module, so it stays small and free of behaviour.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from importlib import import_module
from typing import Any, ClassVar, Literal, get_args

MEBIBYTE = 1 << 20

Status = Literal["passed", "failed", "timeout", "limit"]
"""How a program ended.

``passed``: it ran to its end (python: and its tests passed). ``failed``: it raised, or died.
``timeout``: it used up its time. ``limit``: it wrote or took more than it may.
"""

Cell = str | int | float | None

DATABASE = "database.sqlite"
"""How a program finds its database in its folder."""


@dataclass(frozen=True)
class Limits:
    """What one program may use.

    Attributes:
        cpu_seconds: processor time of each of its processes, rounded up to whole seconds.
        wall_seconds: time until everything it started is killed.
        memory_bytes: address space of each of its processes, and memory of all of them together.
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


class Program:
    """What runs in the sandbox; subclasses are frozen dataclasses of texts, numbers and the like.

    What it is stands here; how it runs stands in the module ``harness``, which holds two functions
    and needs the standard library only, because the harness has no more::

        run(program, ends, folder, temporary) -> NoReturn   in the program's process, contained
        report(program, ended) -> Report                    in the harness, after its end

    Attributes:
        harness: that module's name; ``__name__`` where it is the class's own.
        starts_processes: whether it may; its standard output is then what is read of it.
        withheld: texts of it that the harness itself never reads. Where there are some, they go to
            the program's process, which judges, and `harness` holds a third function,
            ``answerer()``, which gives the one for an answer's process beside it; the harness forks
            that: ``(ends) -> NoReturn``.
        limits: what it may use.
    """

    harness: ClassVar[str]
    starts_processes: ClassVar[bool] = False
    withheld: ClassVar[tuple[str, ...]] = ()
    limits: Limits

    @property
    def inputs(self) -> dict[str, str]:
        """Files to write into its folder before it starts: text by relative path."""
        return {}

    @property
    def links(self) -> dict[str, str]:
        """Files of the machine that it may read: absolute path by relative path of a link."""
        return {}

    @property
    def outputs(self) -> tuple[str, ...]:
        """Files of its folder whose text is read when it has ended."""
        return ()


@dataclass(frozen=True)
class Ended:
    """What the harness saw of a program that ended by itself.

    Attributes:
        code: its exit code, negative for a signal.
        sent: what it wrote to its report pipe.
        secret: what makes that believed where the generated code could write there too: the
            program's process can read it once from its secret pipe.
        printed: its standard output, of one that may start processes.
        files: the texts of its `Program.outputs` that are there.
    """

    code: int
    sent: bytes
    secret: bytes
    printed: bytes
    files: dict[str, str]


@dataclass(frozen=True)
class PythonProgram(Program):
    """Python source whose tests decide.

    Attributes:
        setup: trusted source that runs first, in the answer's process and in the judge's.
        code: generated source, which runs in the former.
        tests: trusted source that runs in the latter; an exception means failed.
        limits: what each of the two may use.
    """

    harness: ClassVar[str] = "cycleqd.evaluation.sandbox.harness.python_item"
    withheld: ClassVar[tuple[str, ...]] = ("setup", "code", "tests")
    setup: str
    code: str
    tests: str
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class SqlProgram(Program):
    """SQL for an SQLite database in memory, or in a file that it cannot change.

    Attributes:
        database: trusted script that makes the tables; empty where they are in a file.
        code: generated statements.
        check: trusted query that runs afterwards, whose rows are reported instead.
        limits: what it may use.
        file: absolute path of an SQLite file.
        most_rows: how many rows it may report.
    """

    harness: ClassVar[str] = "cycleqd.evaluation.sandbox.harness.sql_item"
    database: str
    code: str
    check: str | None = None
    limits: Limits = field(default_factory=Limits)
    file: str | None = None
    most_rows: int = 10_000

    @property
    def links(self) -> dict[str, str]:
        """The file, by a name of its own."""
        return {} if self.file is None else {DATABASE: self.file}


@dataclass(frozen=True)
class ShellProgram(Program):
    """A shell script in a fresh folder.

    Attributes:
        files: text by relative path, written before.
        code: the generated script.
        read: relative paths whose text is reported afterwards.
        limits: what it may use.
    """

    harness: ClassVar[str] = "cycleqd.evaluation.sandbox.harness.shell_item"
    starts_processes: ClassVar[bool] = True
    files: dict[str, str]
    code: str
    read: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)

    @property
    def inputs(self) -> dict[str, str]:
        """The files."""
        return self.files

    @property
    def outputs(self) -> tuple[str, ...]:
        """What is reported."""
        return self.read


@dataclass(frozen=True)
class Report:
    """What one program did.

    Attributes:
        status: how it ended.
        detail: one line for people; never part of a verdict.
        stdout: what a shell program printed, undecodable bytes replaced.
        files: text of the files in `Program.outputs` that are regular files at the end.
        rows: rows of an SQL program; blobs as ``X'..'`` in upper-case hexadecimal.
    """

    status: Status
    detail: str = ""
    stdout: str = ""
    files: dict[str, str] = field(default_factory=dict)
    rows: tuple[tuple[Cell, ...], ...] = ()


LENGTH_DIGITS = 8
"""Hexadecimal digits at the beginning of a program's line: the length of what the harness reads."""


def encode(message: Program | Report) -> bytes:
    """One line of ASCII, ending in a newline.

    A report is JSON; a program is a length, that much JSON, and what is withheld from the harness.
    """
    document: dict[str, Any] = asdict(message)  # type: ignore[arg-type]
    if isinstance(message, Report):
        return json.dumps(document).encode("ascii") + b"\n"
    document |= dict.fromkeys(message.withheld, "")
    document["program"] = [type(message).__module__, type(message).__qualname__]
    read = json.dumps(document).encode("ascii")
    return f"{len(read):0{LENGTH_DIGITS}x}".encode("ascii") + read + withheld(message)


def withheld(program: Program) -> bytes:
    """The end of a program's line: what the harness does not read of it."""
    if not program.withheld:
        return b"\n"
    texts = {name: getattr(program, name) for name in program.withheld}
    return json.dumps(texts).encode("ascii") + b"\n"


def decode_program(read: bytes) -> Program:
    """The program of what `encode` made, without what is withheld."""
    document = json.loads(read)
    module, name = document.pop("program")
    fields = {field: _frozen(value) for field, value in document.items()}
    fields["limits"] = Limits(**document["limits"])
    program: Program = getattr(import_module(module), name)(**fields)
    return program


def completed(program: Program, rest: bytes) -> Program:
    """A program with the end of its line."""
    return replace(program, **json.loads(rest))  # type: ignore[type-var]


def _frozen(value: object) -> object:
    """Lists of JSON as tuples, which is what programs hold."""
    if isinstance(value, dict):
        return {key: _frozen(part) for key, part in value.items()}
    return tuple(_frozen(part) for part in value) if isinstance(value, list) else value


def decode_report(line: bytes) -> Report:
    """The report of a line that `encode` made.

    Raises:
        ValueError: it is no such line; whoever wrote it may be a program that broke out.
    """
    try:
        document = json.loads(line)
    except RecursionError as error:
        raise ValueError("a report is nested too deep") from error
    if not isinstance(document, dict) or document.keys() != Report.__dataclass_fields__.keys():
        raise ValueError("a report has other fields")
    rows, files = document["rows"], document["files"]
    if not (
        document["status"] in get_args(Status)
        and all(isinstance(document[name], str) for name in ("detail", "stdout"))
        and isinstance(files, dict)
        and all(isinstance(text, str) for text in files.values())
        and isinstance(rows, list)
        and all(isinstance(row, list) for row in rows)
        and all(isinstance(cell, Cell | None) for row in rows for cell in row)
    ):
        raise ValueError("a report holds other values")
    document["rows"] = tuple(tuple(row) for row in rows)
    return Report(**document)
