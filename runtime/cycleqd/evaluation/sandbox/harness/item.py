"""One program from request to report: fork, watch, kill, read back.

A program that withholds something is two processes: its answer's, which is forked first, and its
judge's, whose end is the program's. What they leave in their folder is removed by the caller
(`folders.remove`), before the next one.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import NoReturn

from cycleqd.evaluation.sandbox.harness import child, folders, killing, watching
from cycleqd.evaluation.sandbox.harness.confinement import Confinement, Unconfinable
from cycleqd.evaluation.sandbox.harness.gate import Gate
from cycleqd.evaluation.sandbox.harness.wire import GONE
from cycleqd.evaluation.sandbox.programs import Ended, Limits, Program, Report, Status, withheld

_OF_A_JUDGE = 2
"""Processes and threads of a judge, which the limit on a program's own is not for."""

_DYING_SECONDS = 0.2
"""What a process that has closed its pipe may take to its end."""


@dataclass
class _Process:
    """One process, and what the harness saw of it.

    Attributes:
        number: its process id.
        report: the pipe on which it says that it is contained.
        ended: a descriptor that tells its end.
        sent: what came through that pipe.
        code: its exit code, negative for a signal.
        seconds: processor time that it used.
        killed: whether the harness had to end it.
    """

    number: int
    report: int
    ended: int
    sent: bytes = b""
    code: int = 0
    seconds: float = 0.0
    killed: bool = False

    def reap(self, patience: float) -> None:
        """Wait for its end, and end it if that does not come."""
        if not select.select([self.ended], [], [], patience)[0]:
            os.kill(self.number, signal.SIGKILL)
            self.killed = True
        os.close(self.ended)
        # Not reaped before here, so that the number cannot belong to another process meanwhile.
        _, status, used = os.wait4(self.number, 0)
        self.code = os.waitstatus_to_exitcode(status)
        self.seconds = used.ru_utime + used.ru_stime


@dataclass
class _Watched:
    """What the harness saw while a program ran.

    Attributes:
        main: its process, or its judge's.
        answer: its answer's process, where it has one.
        output: the output pipe; -1 where there is none, and before the harness listens.
        printed: what came through it.
        broken: how the harness had to end it, None when it ended by itself.
        pipes: those that have not come to their end.
        gate: where it asks for processes, None where the kernel's limit holds.
    """

    main: _Process
    answer: _Process | None
    output: int = -1
    printed: bytes = b""
    broken: Status | None = None
    pipes: set[int] = field(default_factory=set)
    gate: Gate | None = None

    @property
    def processes(self) -> list[_Process]:
        """One or both."""
        return [self.main] if self.answer is None else [self.main, self.answer]


def run(program: Program, confinement: Confinement, request: int | None = None) -> Report:
    """Run one program.

    Args:
        program: without what it withholds, unless `request` is None.
        confinement: what it runs in.
        request: descriptor from where its judge reads what it withholds.

    Raises:
        Unconfinable: a process could not be contained, or something else killed it.
    """
    if program.withheld:
        limits = replace(program.limits, processes=program.limits.processes + _OF_A_JUDGE)
        program = replace(program, limits=limits)  # type: ignore[type-var]
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
    output, their_output = os.pipe() if program.starts_processes else (-1, -1)
    own = _piped(withheld(program)) if request is None else os.dup(request)
    ends = child.Ends(-1, _piped(secret), their_output, own)
    watched = _run_processes(program, confinement, ends, (folder, temporary))
    try:
        watched.output = output
        _watch(watched, program, confinement)
    finally:
        for number in (output, *(process.report for process in watched.processes)):
            if number >= 0:
                os.close(number)
        if watched.gate is not None:
            watched.gate.close()
    found: dict[str, str] = {}
    for name in program.outputs:
        text = folders.read(folder, name, program.limits.output_bytes)
        if text is not None:
            found[name] = text
    return _report(program, watched, secret, found)


def _piped(data: bytes) -> int:
    """A descriptor from which a few bytes can be read."""
    source, target = os.pipe()
    os.write(target, data)
    os.close(target)
    return source


def _run_processes(
    program: Program, confinement: Confinement, ends: child.Ends, place: tuple[str, str]
) -> _Watched:
    """Fork what a program needs, and close its ends of the pipes here."""
    module = import_module(program.harness)
    gate = None
    theirs = [ends.secret, ends.output, ends.request]
    runs: list[Callable[[int], NoReturn]] = []
    try:
        if program.withheld:
            to_answer, to_judge = os.pipe(), os.pipe()
            theirs += [*to_answer, *to_judge]
            its_ends = child.Ends(-1, source=to_answer[0], target=to_judge[1])
            ends = replace(ends, source=to_judge[0], target=to_answer[1])
            child.call_filter(confinement, processes=False, answering=True)
            start = module.answerer()
            runs.append(
                lambda report: child.run_answer(
                    start, program.limits, confinement, replace(its_ends, report=report), place[0]
                )
            )
        child.call_filter(confinement, processes=program.starts_processes)
        if program.starts_processes and confinement.counted:
            gate = Gate(program.limits.processes)
            theirs.append(gate.theirs)
            ends = replace(ends, gate=gate.theirs)
        runs.append(
            lambda report: child.run(
                module.run, program, confinement, replace(ends, report=report), place
            )
        )
        *answer, main = _forked(runs)
    finally:
        for number in theirs:
            if number >= 0:
                os.close(number)
    return _Watched(main, answer[0] if answer else None, gate=gate)


def _forked(runs: Sequence[Callable[[int], NoReturn]]) -> list[_Process]:
    """Processes that run functions, each with its end of a pipe, and do not come back.

    They are forked one right after the other: after each fork, the pages that this process writes
    to are copied once more.
    """
    pipes = [os.pipe() for _ in runs]
    numbers = []
    for run, (_, theirs) in zip(runs, pipes, strict=True):
        number = os.fork()
        if number == 0:
            try:
                run(theirs)
            finally:
                os._exit(child.NOT_CONTAINED)
        numbers.append(number)
    for _, theirs in pipes:
        os.close(theirs)
    return [
        _Process(number, report, os.pidfd_open(number))
        for number, (report, _) in zip(numbers, pipes, strict=True)
    ]


def _watch(watched: _Watched, program: Program, confinement: Confinement) -> None:
    """Collect output until the process ends or has to be ended; leave nothing of it."""
    limits = program.limits
    # An answer's process says one thing on its own, and that can wait: each waking costs.
    watched.pipes = {watched.main.report} | {watched.output} - {-1}
    deadline = time.monotonic() + limits.wall_seconds
    watch = watching.Watch(confinement, limits, processes=program.starts_processes)
    while watched.broken is None:
        now = time.monotonic()
        if now >= deadline or confinement.orphaned:
            watched.broken = "timeout"
            break
        wait = max(0.0, min(deadline, watch.next) - now)
        if watched.main.ended in _attend(watched, wait):
            break
        if _too_much(watched, limits) or watch.excessive():
            watched.broken = "limit"
    watched.main.reap(0.0)
    if watched.answer is not None:
        watched.answer.reap(_DYING_SECONDS if watched.main.code == GONE else 0.0)
    killing.everything(confinement)
    watched.pipes |= {process.report for process in watched.processes}
    for pipe in tuple(watched.pipes):
        # All writers are gone: there is an end to read up to.
        while not _too_much(watched, limits) and _collect(watched, pipe):
            pass
    if _too_much(watched, limits):
        watched.broken = "limit"


def _attend(watched: _Watched, wait: float) -> list[int]:
    """Wait for what processes say or ask for, and see to it; the sources that were ready."""
    asking = [] if watched.gate is None else watched.gate.sources
    sources = [watched.main.ended, *watched.pipes, *asking]
    ready, _, _ = select.select(sources, [], [], wait)
    for pipe in watched.pipes.intersection(ready):
        _collect(watched, pipe)
    if watched.gate is not None and set(asking).intersection(ready):
        watched.gate.serve()
    return ready


def _too_much(watched: _Watched, limits: Limits) -> bool:
    overhead = len(child.COMPLETE) + len(child.CONTAINED) + child.SECRET_BYTES
    sent = max(len(process.sent) for process in watched.processes)
    return max(sent - overhead, len(watched.printed)) > limits.output_bytes


def _collect(watched: _Watched, pipe: int) -> bool:
    """Read some of a pipe; False at its end."""
    data = os.read(pipe, 1 << 16)
    if pipe == watched.output:
        watched.printed += data
    for process in watched.processes:
        if pipe == process.report:
            process.sent += data
    if not data:
        watched.pipes.discard(pipe)
    return bool(data)


def _report(program: Program, watched: _Watched, secret: bytes, found: dict[str, str]) -> Report:
    main, answer = watched.main, watched.answer
    if answer is not None:
        if not main.sent.startswith(child.COMPLETE):
            # What is left of its request would be taken for the next one.
            raise Unconfinable("a judge ended before it had read its request")
        main.sent = main.sent.removeprefix(child.COMPLETE)
    if not _begun(watched):
        return Report("timeout", "the machine was too slow to start it")
    if watched.broken is not None:
        return Report(watched.broken, "ended by the sandbox")
    decisive = answer if answer is not None and main.code == GONE else main
    if _out_of_time(decisive, program.limits):
        return Report("timeout", "used up its processor time")
    if decisive.code == -signal.SIGKILL and not decisive.killed:
        # Where memory runs out, the kernel takes whom it likes: no verdict on this program yet.
        raise Unconfinable("a process was killed: by itself, or because memory ran out")
    sent = main.sent[len(child.CONTAINED) :]
    report: Report = import_module(program.harness).report(
        program, Ended(main.code, sent, secret, watched.printed, found)
    )
    return report


def _begun(watched: _Watched) -> bool:
    """Whether every process was contained, or is not missed.

    Raises:
        Unconfinable: one could not be.
    """
    for process in watched.processes:
        if process.sent.startswith(child.CONTAINED):
            continue
        if watched.broken is not None:
            return False
        if process is watched.main or not process.killed:
            reason = process.sent.decode("utf-8", "replace").lstrip("!")
            raise Unconfinable(
                f"a process could not be contained: {reason or f'exit code {process.code}'}"
            )
    return True


def _out_of_time(process: _Process, limits: Limits) -> bool:
    killed = process.code == -signal.SIGKILL and process.seconds >= limits.cpu_seconds
    return process.code == -signal.SIGXCPU or (killed and not process.killed)
