"""A program's own process, from the fork to its last breath.

The order matters: the limits come first, then the user, then what takes rights away for good. The
byte that says "contained" is written before the program gets control, so a program cannot claim
that its containment failed.
"""

# Plain paths: what is imported here is copied into every child.
# ruff: noqa: PTH116, PTH118, PTH208

from __future__ import annotations

import math
import os
import resource
from dataclasses import dataclass
from importlib import import_module
from typing import NoReturn

from cycleqd.evaluation.sandbox.harness import kernel, landlock, seccomp
from cycleqd.evaluation.sandbox.harness.confinement import Confinement
from cycleqd.evaluation.sandbox.programs import Limits, Program

OPEN_FILES = 128
"""How many files a program may have open."""

CONTAINED = b"C"
SECRET_BYTES = 32
NOT_CONTAINED = 97
NO_VERDICT = 98
"""Exit code where what runs a program came back instead of ending the process."""


@dataclass(frozen=True)
class Ends:
    """The child's ends of its pipes.

    Attributes:
        report: where it says that it is contained, and then what came out.
        secret: from where it reads what makes its report believed.
        output: standard output and error of a shell program.
    """

    report: int
    secret: int
    output: int


def run(
    program: Program, confinement: Confinement, ends: Ends, folder: str, temporary: str
) -> NoReturn:
    """Contain this process and run the program; never returns."""
    processes = program.starts_processes
    # The module was imported before the walls went up; its function is looked up before, too.
    start = import_module(program.harness).run
    try:
        ends = _settle(ends, printing=processes)
        contain(program.limits, confinement, folder, processes=processes)
        os.write(ends.report, CONTAINED)
    except OSError as error:
        os.write(ends.report, f"!{error}".encode())
        os._exit(NOT_CONTAINED)
    home, temporary = (
        os.path.normpath(os.path.join(confinement.place, way)) for way in (folder, temporary)
    )
    start(program, ends, home, temporary)
    os._exit(NO_VERDICT)


def _settle(ends: Ends, *, printing: bool) -> Ends:
    """Streams to where they belong, the pipes to fixed numbers, everything else closed."""
    os.setsid()
    null = os.open("/dev/null", os.O_RDWR)
    report, secret, output = (
        os.dup2(os.dup(number), 100 + i)
        for i, number in enumerate((ends.report, ends.secret, ends.output))
    )
    os.dup2(null, 0)
    os.dup2(output if printing else null, 1)
    os.dup2(null, 2)
    return Ends(os.dup2(report, 10, False), os.dup2(secret, 11, False), 1)


def contain(limits: Limits, confinement: Confinement, folder: str, *, processes: bool) -> None:
    """Take from this process everything but ``folder`` and its limits.

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
    if not confinement.counted:
        resource.setrlimit(resource.RLIMIT_NPROC, (allowed, allowed))
    if confinement.user is not None:
        os.setgroups([])
        os.setresgid(confinement.user, confinement.user, confinement.user)
        os.setresuid(confinement.user, confinement.user, confinement.user)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.drop_capabilities()
    # Behind Landlock nothing of /proc can be opened, and the harness has to see what is open here.
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0 if confinement.rules is None else 1)
    if confinement.rules is not None:
        landlock.restrict(confinement.rules)
    kept = (0, 1, 2, 10, 11)
    start = 3
    for number in kept[3:]:
        os.closerange(start, number)
        start = number + 1
    os.closerange(start, 4096)
    seccomp.install(call_filter(confinement, processes=processes))


def call_filter(confinement: Confinement, *, processes: bool) -> bytes:
    """The system call filter for a program; call it once before forking, so that it is cached."""
    return seccomp.program(
        deny_processes=not processes,
        deny_signals=not confinement.signals_contained,
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
