"""The worker's side of the sandbox: one harness for each slot, and batches of programs for them."""

from __future__ import annotations

import logging
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from cycleqd.errors import SandboxUnavailable
from cycleqd.evaluation.sandbox.container import Container, ContainerSlot
from cycleqd.evaluation.sandbox.harness_process import start_harness
from cycleqd.evaluation.sandbox.programs import Program, Report
from cycleqd.evaluation.sandbox.room import SpareCores
from cycleqd.evaluation.sandbox.slot import (
    START_SECONDS,
    Fault,
    Lines,
    Slot,
    is_open,
    readable_copy,
)
from cycleqd.evaluation.sandbox.users import SlotUser
from cycleqd.scratch import ScratchFolder

log = logging.getLogger(__name__)

_STOP_SECONDS = 5.0
_PROGRAMS_OF_A_SLOT = 4


class Sandbox:
    """Runs generated programs where they can do no harm.

    Starts nothing before the first `run`. Safe to use from several threads.

    Args:
        slots: programs that run at the same time, each in a harness of its own, where the machine
            has room for them (`cycleqd.evaluation.sandbox.room`).
        namespaces: use Linux namespaces where they are allowed; only tests switch this off.
        container: another container that runs them instead of this one.

    Raises:
        SandboxUnavailable: (from `run`) programs cannot be contained on this machine.
    """

    def __init__(
        self, *, slots: int = 1, namespaces: bool = True, container: Container | None = None
    ) -> None:
        self._harnesses: list[ProcessSlot] | list[ContainerSlot]
        self._container = container
        if container is None:
            self._harnesses = [
                ProcessSlot(neighbours=slots - 1, namespaces=namespaces) for _ in range(slots)
            ]
        else:
            self._harnesses = [
                ContainerSlot(container, neighbours=slots - 1, namespaces=namespaces)
                for _ in range(slots)
            ]
        self._lock = threading.Lock()
        self._told = ""

    def run(self, programs: Sequence[Program]) -> list[Report]:
        """Run every program; one report for each, in the same order.

        A program that fails, hangs or breaks a limit affects its own report only: one that got no
        verdict beside others is run once more, alone.

        Raises:
            SandboxUnavailable: programs cannot be contained on this machine.
        """
        found: dict[int, Report | Fault] = {}
        with self._lock:
            for harness in self._harnesses:
                harness.admit(programs)
            memory = max((program.limits.memory_bytes for program in programs), default=0)
            # A process that serves a few programs only is not worth its start.
            wanted = min(len(self._harnesses), len(programs) // _PROGRAMS_OF_A_SLOT)
            spare = SpareCores(wanted if self._container is None else 0, memory)
            try:
                slots = spare.slots if self._container is None else self._fitting(wanted, memory)
                _share(self._harnesses[:slots], iter(enumerate(programs)), found)
            finally:
                spare.release()
            self._tell()
            return [self._again(programs[index], found[index]) for index in range(len(programs))]

    def _tell(self) -> None:
        """Say what contained the programs, once."""
        if (now := self._harnesses[0].confinement) != self._told:
            log.info("generated code is contained by: %s", now)
            self._told = now

    def _fitting(self, wanted: int, memory: int) -> int:
        """How many programs may run side by side in the other container."""
        first = self._harnesses[0]
        assert isinstance(first, ContainerSlot)
        if wanted < 2:
            return 1
        first.start()
        return max(1, min(wanted, first.room.cores, first.room.memory_bytes // max(1, memory)))

    def _again(self, program: Program, found: Report | Fault) -> Report:
        """A program's report; of one without a verdict after another attempt.

        Where that fails, too, and a harness still starts, the machine is well, and what failed in
        every attempt is the program's own doing.
        """
        if isinstance(found, Report):
            return found
        again = self._harnesses[0].run(program)
        if isinstance(again, Report):
            return again
        self._harnesses[0].start()
        return again.report

    @property
    def contained_by(self) -> str | None:
        """What contained the last programs (see `confinement`), None where none have run."""
        return self._told or None

    @property
    def confinement(self) -> str:
        """What contains programs here; starts the first harness.

        ``container``: another one than the worker's, as another user; ``namespaces``, ``plain``:
        what this machine gives.

        Raises:
            SandboxUnavailable: none of them.
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
    harnesses: Sequence[Slot],
    work: Iterator[tuple[int, Program]],
    found: dict[int, Report | Fault],
) -> None:
    taking = threading.Lock()
    if len(harnesses) == 1:
        _drain(harnesses[0], work, found, taking)
        return
    with ThreadPoolExecutor(len(harnesses)) as pool:
        running = [pool.submit(_drain, harness, work, found, taking) for harness in harnesses]
        for done in running:
            done.result()


def _drain(
    harness: Slot,
    work: Iterator[tuple[int, Program]],
    found: dict[int, Report | Fault],
    taking: threading.Lock,
) -> None:
    while True:
        with taking:
            taken = next(work, None)
        if taken is None:
            return
        index, program = taken
        found[index] = harness.run(program)


class ProcessSlot(Slot):
    """A harness process of this one's own, and the pipes to it."""

    def __init__(self, *, neighbours: int, namespaces: bool) -> None:
        super().__init__()
        self._neighbours = neighbours
        self._namespaces = namespaces
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: ScratchFolder | None = None
        self._user: SlotUser | None = None

    def _readable(self, folder: Path) -> Mapping[str, str]:
        """Where the programs' user finds each file."""
        assert self._user is not None
        return {
            path: path
            if self._user.uid is None or is_open(Path(path))
            else readable_copy(path, folder, number)
            for number, path in enumerate(self._files)
            if Path(path).exists()  # else its tasks are gone, and it with them
        }

    def start(self) -> None:
        """See `Slot.start`."""
        if self._process is not None:
            return
        self._user = SlotUser()
        self._folder = ScratchFolder("sandbox")
        # Programs of another user must get through to their own folder inside.
        self._folder.path.chmod(0o711)
        self._process = start_harness(
            self._folder,
            self._user.uid,
            neighbours=self._neighbours,
            namespaces=self._namespaces,
            modules=self._modules,
            files=self._readable(self._folder.path),
        )
        assert self._process.stdout is not None
        self._lines = Lines(self._process.stdout.fileno())
        ready = self._greeted(START_SECONDS)
        if ready is None:
            self.stop()
            raise SandboxUnavailable(
                f"the sandbox process did not start within {START_SECONDS:.0f} s:"
                f" {sys.executable} -I -S must run, and {tempfile.gettempdir()} be writable"
            )
        self.confinement = ready

    def _send(self, line: bytes, seconds: float) -> bool:  # noqa: ARG002 - a pipe has no clock
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            while line:
                line = line[self._process.stdin.write(line) or 0 :]
        except BrokenPipeError:
            return False
        return True

    def stop(self) -> None:
        """See `Slot.stop`."""
        process, self._process = self._process, None
        self._lines = None
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
