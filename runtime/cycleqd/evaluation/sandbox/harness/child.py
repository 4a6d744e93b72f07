"""A program's own process, from the fork to its last breath.

The order matters: the limits come first, then the user, then what takes rights away for good. The
byte that says "contained" is written before the program gets control, so a program cannot claim
that its containment failed.

A program that withholds something from the harness has two processes: the judge's, which reads the
rest of the request, and the answer's, which was forked before and does not.
"""

# Plain paths: what is imported here is copied into every child.
# ruff: noqa: PTH116, PTH118, PTH208

from __future__ import annotations

import math
import os
import resource
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from cycleqd.evaluation.sandbox.harness import kernel, landlock, seccomp
from cycleqd.evaluation.sandbox.harness.confinement import Confinement
from cycleqd.evaluation.sandbox.harness.gate import ask
from cycleqd.evaluation.sandbox.programs import Limits, Program, completed

OPEN_FILES = 128
"""How many files a program may have open."""

LESS_URGENT = 5
"""How much nicer programs are than the harness that watches them, where the kernel does not."""

CONTAINED = b"C"
COMPLETE = b"R"
"""What a judge writes when it has read the rest of the request."""
SECRET_BYTES = 32
NOT_CONTAINED = 97
NO_VERDICT = 98
"""Exit code where what runs a program came back instead of ending the process."""


@dataclass(frozen=True)
class Ends:
    """The child's ends of its pipes; -1 for those that it has not.

    Attributes:
        report: where it says that it is contained, and then what came out.
        secret: from where it reads what makes its report believed.
        output: standard output and error of a shell program.
        request: from where a judge reads what the harness does not.
        source: from where judge and answer read what the other one says.
        target: where they write.
        gate: where what asks for its processes is handed over.
    """

    report: int
    secret: int = -1
    output: int = -1
    request: int = -1
    source: int = -1
    target: int = -1
    gate: int = -1


_SETTLED = Ends(10, 11, 1, -1, 12, 13, 14)


def run(
    start: Callable[[Program, Ends, str, str], NoReturn],
    program: Program,
    confinement: Confinement,
    ends: Ends,
    place: tuple[str, str],
) -> NoReturn:
    """Contain this process and run the program in its two folders; never returns."""
    # What is told is told in one piece: the harness wakes up for each.
    told = b""
    if program.withheld:
        program = completed(program, _line(ends.request))
        told = COMPLETE
    processes = program.starts_processes
    try:
        ends = _settle(ends, printing=processes)
        contain(program.limits, confinement, place[0], processes=processes, gate=ends.gate)
        os.write(ends.report, told + CONTAINED)
    except OSError as error:
        os.write(ends.report, told + f"!{error}".encode())
        os._exit(NOT_CONTAINED)
    home, temporary = (os.path.normpath(os.path.join(confinement.place, way)) for way in place)
    start(program, ends, home, temporary)
    os._exit(NO_VERDICT)


def run_answer(
    start: Callable[[Ends], NoReturn],
    limits: Limits,
    confinement: Confinement,
    ends: Ends,
    folder: str,
) -> NoReturn:
    """Contain this process and run the answer of a program that has a judge; never returns."""
    try:
        ends = _settle(ends, printing=False)
        contain(limits, confinement, folder, processes=False, answering=True)
        os.write(ends.report, CONTAINED)
    except OSError as error:
        os.write(ends.report, f"!{error}".encode())
        os._exit(NOT_CONTAINED)
    os.close(ends.report)
    start(ends)
    os._exit(NO_VERDICT)


def _line(source: int) -> bytes:
    """What is left of a line; nothing follows it before it is answered."""
    parts = [b""]
    while not parts[-1].endswith(b"\n"):
        parts.append(os.read(source, 1 << 20))
        if not parts[-1]:
            os._exit(NO_VERDICT)  # the worker is gone
    return b"".join(parts)


def _settle(ends: Ends, *, printing: bool) -> Ends:
    """Streams to where they belong, the pipes to fixed numbers, everything else closed."""
    os.setsid()
    null = os.open("/dev/null", os.O_RDWR)
    # First out of the way of the numbers that they and others get.
    moved = {
        name: os.dup2(os.dup(number), 100 + i)
        for i, (name, number) in enumerate(vars(ends).items())
        if number >= 0
    }
    os.dup2(null, 0)
    os.dup2(moved["output"] if printing else null, 1)
    os.dup2(null, 2)
    kept = []
    for name in ("report", "secret", "source", "target", "gate"):
        number = getattr(_SETTLED, name)
        if name in moved:
            os.dup2(moved[name], number, False)
            kept.append(name)
        else:
            os.closerange(number, number + 1)
    return Ends(**{name: getattr(_SETTLED, name) for name in kept})


def contain(
    limits: Limits,
    confinement: Confinement,
    folder: str,
    *,
    processes: bool,
    answering: bool = False,
    gate: int = -1,
) -> None:
    """Take from this process everything but ``folder`` and its limits.

    Args:
        limits: what it may use.
        confinement: what it runs in.
        folder: its folder.
        processes: whether it may start some.
        answering: whether it has a judge beside it, which it may not signal.
        gate: see `Ends`; is closed.

    Raises:
        OSError: something could not be taken away.
    """
    os.chdir(folder)
    os.umask(0o022)
    cpu = max(1, math.ceil(limits.cpu_seconds))
    for kind, soft, hard in (
        (resource.RLIMIT_CORE, 1, 1),  # 0 would still call a program of the machine's for cores
        (resource.RLIMIT_CPU, cpu, cpu + 1),
        (resource.RLIMIT_AS, limits.memory_bytes, limits.memory_bytes),
        (resource.RLIMIT_FSIZE, limits.file_bytes, limits.file_bytes),
        (resource.RLIMIT_NOFILE, OPEN_FILES, OPEN_FILES),
        (resource.RLIMIT_MEMLOCK, 0, 0),
    ):
        resource.setrlimit(kind, (soft, hard))
    allowed = limits.processes
    if confinement.shared:
        # The limit counts all processes and threads of the user; others' work is not the item's,
        # nor is what programs in the other slots start later.
        allowed += _tasks_of(os.getuid()) + limits.processes * confinement.neighbours
    if confinement.counted:
        os.nice(LESS_URGENT)
    else:
        resource.setrlimit(resource.RLIMIT_NPROC, (allowed, allowed))
    if confinement.user is not None:
        os.setgroups([])
        os.setresgid(confinement.user, confinement.user, confinement.user)
        os.setresuid(confinement.user, confinement.user, confinement.user)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.drop_capabilities()
    # Behind Landlock nothing of /proc can be opened, and the harness has to see what is open here.
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0 if confinement.rules is None else 1)
    if gate >= 0:
        ask(gate)
    if confinement.rules is not None:
        landlock.restrict(confinement.rules)
    os.closerange(3, _SETTLED.report)
    os.closerange(_SETTLED.target + 1, 4096)
    seccomp.install(call_filter(confinement, processes=processes, answering=answering))


def call_filter(confinement: Confinement, *, processes: bool, answering: bool = False) -> bytes:
    """The system call filter for a program; call it once before forking, so that it is cached."""
    return seccomp.program(
        deny_processes=not processes,
        deny_signals=answering or not confinement.signals_contained,
        deny_truncation=not confinement.truncation_contained,
    )


def _tasks_of(user: int) -> int:
    count = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.stat(f"/proc/{name}").st_uid == user:
                    count += len(os.listdir(f"/proc/{name}/task"))
            except OSError:
                continue  # it ended meanwhile
    return count
