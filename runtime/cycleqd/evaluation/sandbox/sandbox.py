"""The worker's side of the sandbox: harness processes, one for each slot, and batches for them."""

from __future__ import annotations

import inspect
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Self

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
from cycleqd.evaluation.sandbox.room import SpareCores
from cycleqd.evaluation.sandbox.users import SlotUser
from cycleqd.scratch import ScratchFolder

_START_SECONDS = 60.0
_GRACE_SECONDS = 30.0
_STOP_SECONDS = 5.0
_ATTEMPTS = 2
_PROGRAMS_OF_A_SLOT = 4
_UNAVAILABLE = b'{"unavailable"'
_SOURCE_ROOT = Path(__file__).resolve().parents[3]
_START = (
    "import sys; sys.path.insert(0, sys.argv.pop(1));"
    " from cycleqd.evaluation.sandbox.harness import server;"
    " sys.path.pop(0); server.start()"
)


class Sandbox:
    """Runs generated programs where they can do no harm.

    Starts nothing before the first `run`. Safe to use from several threads.

    Args:
        slots: programs that run at the same time, each in a harness of its own, where the machine
            has room for them (`cycleqd.evaluation.sandbox.room`).
        namespaces: use Linux namespaces where they are allowed; only tests switch this off.

    Raises:
        SandboxUnavailable: (from `run`) programs cannot be contained on this machine.
    """

    def __init__(self, *, slots: int = 1, namespaces: bool = True) -> None:
        self._harnesses = [
            _Harness(neighbours=slots - 1, namespaces=namespaces) for _ in range(slots)
        ]
        self._lock = threading.Lock()

    def run(self, programs: Sequence[Program]) -> list[Report]:
        """Run every program; one report for each, in the same order.

        A program that fails, hangs or breaks a limit affects its own report only.

        Raises:
            SandboxUnavailable: programs cannot be contained on this machine.
        """
        reports: dict[int, Report] = {}
        work = iter(enumerate(programs))
        with self._lock:
            for harness in self._harnesses:
                harness.admit(programs)
            memory = max((program.limits.memory_bytes for program in programs), default=0)
            # A process that serves a few programs only is not worth its start.
            wanted = min(len(self._harnesses), len(programs) // _PROGRAMS_OF_A_SLOT)
            spare = SpareCores(wanted, memory)
            try:
                _share(self._harnesses[: spare.slots], work, reports)
            finally:
                spare.release()
        return [reports[index] for index in range(len(programs))]

    @property
    def confinement(self) -> str:
        """``namespaces`` or ``plain``: what this machine gives; starts the first harness.

        Raises:
            SandboxUnavailable: neither.
        """
        with self._lock:
            self._harnesses[0].start()
            return self._harnesses[0].confinement

    def close(self) -> None:
        """End all harnesses and remove their folders; may be called twice."""
        with self._lock:
            for harness in self._harnesses:
                harness.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _share(
    harnesses: Sequence[_Harness],
    work: Iterator[tuple[int, Program]],
    reports: dict[int, Report],
) -> None:
    taking = threading.Lock()
    if len(harnesses) == 1:
        _drain(harnesses[0], work, reports, taking)
        return
    with ThreadPoolExecutor(len(harnesses)) as pool:
        running = [pool.submit(_drain, harness, work, reports, taking) for harness in harnesses]
        for done in running:
            done.result()


def _drain(
    harness: _Harness,
    work: Iterator[tuple[int, Program]],
    reports: dict[int, Report],
    taking: threading.Lock,
) -> None:
    while True:
        with taking:
            taken = next(work, None)
        if taken is None:
            return
        index, program = taken
        reports[index] = harness.run(program)


def _modules_of(kind: type[Program]) -> dict[str, str]:
    """The modules of a program's class and of how it runs, each with the folder it is found in."""
    return {name: _folder_of(name) for name in (kind.__module__, kind.harness)}


@cache
def _folder_of(module: str) -> str:
    file = Path(inspect.getfile(import_module(module))).resolve()
    depth = module.count(".") + (file.name == "__init__.py")
    return str(file.parents[depth])


def _is_open(file: Path) -> bool:
    """Whether everybody may read a file, and get to it."""
    search = all(folder.stat().st_mode & 0o001 for folder in file.parents)
    return search and bool(file.stat().st_mode & 0o004)


class _Harness:
    """One harness process and the pipes to it."""

    def __init__(self, *, neighbours: int, namespaces: bool) -> None:
        self.confinement = ""
        self._neighbours = neighbours
        self._namespaces = namespaces
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: ScratchFolder | None = None
        self._user: SlotUser | None = None
        self._pending = b""
        self._files: dict[str, None] = {}
        self._modules: dict[str, str] = {}
        for kind in (PythonProgram, ShellProgram, SqlProgram):
            self._modules |= _modules_of(kind)

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

    def _list_files(self, folder: Path) -> Path:
        """A list of the files, or of copies that the programs' user can read.

        It is a file itself: there may be more of them than an argument of a process holds.
        """
        assert self._user is not None
        readable = {}
        for number, path in enumerate(self._files):
            if not Path(path).exists():
                continue  # its tasks are gone, and it with them
            readable[path] = path
            if self._user.uid is not None and not _is_open(Path(path)):
                copy = folder / f"file-{number}"
                shutil.copyfile(path, copy)
                copy.chmod(0o444)
                readable[path] = str(copy)
        listing = folder / "files.json"
        listing.write_text(json.dumps(readable), encoding="ascii")
        return listing

    def start(self) -> None:
        """Start the process unless it runs.

        Raises:
            SandboxUnavailable: it says that it cannot contain programs, or does not start.
        """
        if self._process is not None:
            return
        self._user = SlotUser()
        self._folder = ScratchFolder("sandbox")
        # Programs of another user must get through to their own folder inside.
        self._folder.path.chmod(0o711)
        uid = "" if self._user.uid is None else str(self._user.uid)
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-I", "-S", "-c", _START, str(_SOURCE_ROOT)),
                *(str(self._folder.path), uid, str(self._neighbours)),
                "yes" if self._namespaces else "no",
                *(json.dumps(self._modules), str(self._list_files(self._folder.path))),
            ],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self._folder.path,
            env={"PATH": os.defpath, "LANG": "C.UTF-8", "TZ": "UTC", "MALLOC_ARENA_MAX": "1"},
            start_new_session=True,
            # It may outlive a killed worker for a moment: nobody sweeps its folder meanwhile.
            pass_fds=[self._folder.lock],
        )
        line = self._receive(_START_SECONDS)
        if line is None:
            self.stop()
            raise SandboxUnavailable(
                f"the sandbox process did not start within {_START_SECONDS:.0f} s:"
                f" {sys.executable} -I -S must run, and {tempfile.gettempdir()} be writable"
            )
        self.confinement = self._accept(json.loads(line))

    def _accept(self, greeting: dict[str, str]) -> str:
        if "unavailable" in greeting:
            self.stop()
            raise SandboxUnavailable(
                f"generated code cannot be contained on this machine: {greeting['unavailable']}"
            )
        return greeting["ready"]

    def run(self, program: Program) -> Report:
        """Run one program, if need be in a new process.

        A process that died of a program, or could not contain it, is replaced by another in another
        folder, which serves only after it has contained a program that is known to be good. Where
        it starts, the machine is well, and what failed in every attempt is the program's own doing.

        Raises:
            SandboxUnavailable: programs cannot be contained on this machine.
        """
        limit = program.limits.wall_seconds + _GRACE_SECONDS
        for _ in range(_ATTEMPTS):
            self.start()
            line = self._receive(limit) if self._send(encode(program)) else None
            if line is None:
                # Killed from outside (out of memory), or stuck.
                fault = Report("limit", "the sandbox process died with it")
            elif line.startswith(_UNAVAILABLE):
                fault = Report("failed", json.loads(line)["unavailable"])
            else:
                return decode_report(line)
            self.stop()
        self.start()
        return fault

    def _send(self, line: bytes) -> bool:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            while line:
                line = line[self._process.stdin.write(line) or 0 :]
        except BrokenPipeError:
            return False
        return True

    def _receive(self, seconds: float) -> bytes | None:
        """The next line, or None when there is none within the time."""
        assert self._process is not None
        assert self._process.stdout is not None
        deadline = time.monotonic() + seconds
        while b"\n" not in self._pending:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._process.stdout], [], [], left)[0]:
                return None
            data = self._process.stdout.read(1 << 16)
            if not data:
                return None
            self._pending += data
        line, _, self._pending = self._pending.partition(b"\n")
        return line

    def stop(self) -> None:
        """End the process and remove its folder; may be called twice."""
        process, self._process = self._process, None
        self._pending = b""
        if process is not None:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.close()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                # One that waits for a broken disk ends when that answers: nobody waits for it.
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_STOP_SECONDS)
            process.stdout.close()
        if self._folder is not None:
            self._folder.close()
            self._folder = None
        if self._user is not None:
            self._user.release()
            self._user = None
