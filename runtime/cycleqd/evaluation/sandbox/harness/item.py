"""One program from request to report: fork, watch, kill, read back.

What it leaves in its folder is removed by the caller (`folders.remove`), before the next one.
"""

from __future__ import annotations

import os
import select
import signal
import time
from dataclasses import dataclass
from importlib import import_module

from cycleqd.evaluation.sandbox.harness import child, folders, killing, watching
from cycleqd.evaluation.sandbox.harness.confinement import Confinement, Unconfinable
from cycleqd.evaluation.sandbox.programs import Ended, Limits, Program, Report, Status


@dataclass
class _Watched:
    """What the harness saw while a program ran.

    Attributes:
        sent: what came through the report pipe.
        printed: what came through the output pipe.
        broken: how the harness had to end it, None when it ended by itself.
        code: its exit code, negative for a signal.
        seconds: processor time that it used.
    """

    sent: bytes = b""
    printed: bytes = b""
    broken: Status | None = None
    code: int = 0
    seconds: float = 0.0


def run(program: Program, confinement: Confinement) -> Report:
    """Run one program.

    Raises:
        Unconfinable: a process could not be contained, or something else killed it.
    """
    try:
        folder, temporary = folders.make(
            confinement, program.limits, executable=program.starts_processes
        )
    except OSError as error:
        raise Unconfinable(
            f"no folder for a program: {error}; check the space left in TMPDIR"
        ) from error
    if program.inputs:
        folders.write(folder, program.inputs, confinement)
    folders.link(folder, program.links, confinement)
    secret = os.urandom(child.SECRET_BYTES)
    watched = _run_child(program, confinement, secret, folder, temporary)
    found: dict[str, str] = {}
    for name in program.outputs:
        text = folders.read(folder, name, program.limits.output_bytes)
        if text is not None:
            found[name] = text
    return _report(program, watched, secret, found)


def _run_child(
    program: Program, confinement: Confinement, secret: bytes, folder: str, temporary: str
) -> _Watched:
    report, their_report = os.pipe()
    their_secret, ours = os.pipe()
    output, their_output = os.pipe()
    os.write(ours, secret)
    os.close(ours)
    child.call_filter(confinement, processes=program.starts_processes)
    process = os.fork()
    if process == 0:
        try:
            ends = child.Ends(their_report, their_secret, their_output)
            child.run(program, confinement, ends, folder, temporary)
        finally:
            os._exit(child.NOT_CONTAINED)
    for number in (their_report, their_secret, their_output):
        os.close(number)
    try:
        return _watch(process, report, output, program.limits, confinement)
    finally:
        os.close(report)
        os.close(output)


def _watch(
    process: int, report: int, output: int, limits: Limits, confinement: Confinement
) -> _Watched:
    """Collect output until the process ends or has to be ended; leave nothing of it."""
    watched = _Watched()
    pipes = {report, output}
    ended = os.pidfd_open(process)
    deadline = time.monotonic() + limits.wall_seconds
    watch = watching.Watch(confinement, limits)
    while watched.broken is None:
        now = time.monotonic()
        if now >= deadline or confinement.orphaned:
            watched.broken = "timeout"
            break
        wait = max(0.0, min(deadline, watch.next) - now)
        ready, _, _ = select.select([ended, *pipes], [], [], wait)
        pipes -= {p for p in pipes.intersection(ready) if not _collect(p, report, watched)}
        if ended in ready:
            break
        if _too_much(watched, limits) or watch.excessive():
            watched.broken = "limit"
    os.close(ended)
    if watched.broken is not None:
        os.kill(process, 9)
    # Not reaped before here, so that the number cannot belong to another process meanwhile.
    _, status, used = os.wait4(process, 0)
    watched.code = os.waitstatus_to_exitcode(status)
    watched.seconds = used.ru_utime + used.ru_stime
    killing.everything(confinement)
    for pipe in pipes:
        # All writers are gone: there is an end to read up to.
        while not _too_much(watched, limits) and _collect(pipe, report, watched):
            pass
    if _too_much(watched, limits):
        watched.broken = "limit"
    return watched


def _too_much(watched: _Watched, limits: Limits) -> bool:
    overhead = len(child.CONTAINED) + child.SECRET_BYTES
    return max(len(watched.sent) - overhead, len(watched.printed)) > limits.output_bytes


def _collect(pipe: int, report: int, watched: _Watched) -> bool:
    data = os.read(pipe, 1 << 16)
    if pipe == report:
        watched.sent += data
    else:
        watched.printed += data
    return bool(data)


def _report(program: Program, watched: _Watched, secret: bytes, found: dict[str, str]) -> Report:
    if not watched.sent.startswith(child.CONTAINED):
        if watched.broken is None:
            reason = watched.sent.decode("utf-8", "replace").lstrip("!")
            raise Unconfinable(
                f"a process could not be contained: {reason or f'exit code {watched.code}'}"
            )
        return Report("timeout", "the machine was too slow to start it")
    if watched.broken is not None:
        return Report(watched.broken, "ended by the sandbox")
    if watched.code == -signal.SIGXCPU or (
        watched.code == -signal.SIGKILL and watched.seconds >= program.limits.cpu_seconds
    ):
        return Report("timeout", "used up its processor time")
    if watched.code == -signal.SIGKILL:
        # Where memory runs out, the kernel takes whom it likes: no verdict on this program yet.
        raise Unconfinable("a process was killed: by itself, or because memory ran out")
    sent = watched.sent[len(child.CONTAINED) :]
    report: Report = import_module(program.harness).report(
        program, Ended(watched.code, sent, secret, watched.printed, found)
    )
    return report
