"""A Python program: its answer in one process, its setup, tests and comparisons in another.

Two children of the harness, each behind all of its walls, know each other by two pipes alone
(`wire`, `plain`, `setups`, `link`):

- The judge (`judging`) reads the program from the harness's input, where the harness itself never
  reads it, runs the setup and the tests, and holds the secret that makes a report believed.
- The answer's process (`answering`) was forked from that harness, so it has never held a test. It
  gets the setup and the answer, and does what the judge asks. It may send no signals, its memory
  and descriptors are its own, and whatever it writes to the pipe is data for the tests, or the end.

Whatever leaves otherwise than by the last test (``sys.exit``, a process that dies, bytes that are
no message) reports nothing, and nothing means failed. What an answer does to the interpreter, it
does to its own; it is still kept from ctypes, foreign extension modules, and frames.
"""

# Plain paths: what is imported here is copied into every child.
# ruff: noqa: PTH118, PTH120

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn

from cycleqd.evaluation.sandbox.harness import kernel
from cycleqd.evaluation.sandbox.harness.answering import Answering
from cycleqd.evaluation.sandbox.harness.judging import judge
from cycleqd.evaluation.sandbox.harness.wire import GONE, Wire
from cycleqd.evaluation.sandbox.programs import Ended, PythonProgram, Report

if TYPE_CHECKING:
    from cycleqd.evaluation.sandbox.harness.child import Ends

FAILED = 1
TESTS_FAILED = 2

_SECRET_BYTES = 32
_STACK_BYTES = 16 << 20
_REFUSED_EVENTS = frozenset(
    {
        "gc.get_objects",
        "gc.get_referents",
        "gc.get_referrers",
        "sqlite3.enable_load_extension",
        "sqlite3.load_extension",
        "sys._current_exceptions",
        "sys._current_frames",
        "sys._getframe",
        "sys._getframemodulename",
        "sys.addaudithook",
        "sys.monitoring.register_callback",
        "sys.setprofile",
        "sys.settrace",
    }
)
_REFUSED_ATTRIBUTES = frozenset({"ag_frame", "cr_frame", "gi_frame", "tb_frame"})
_REFUSED_MODULES = frozenset(
    {"_ctypes", "_interpreters", "_testcapi", "_testinternalcapi", "_xxsubinterpreters", "ctypes"}
)

_LIBRARY = sys.stdlib_module_names | {"__main__"}


def run(program: PythonProgram, ends: Ends, _folder: str, _temporary: str) -> NoReturn:
    """Judge: send the secret back if, and only if, the tests pass."""
    secret, leave = os.read(ends.secret, _SECRET_BYTES), os._exit
    wire = Wire(ends.source, ends.target, lambda: leave(GONE), lambda: leave(FAILED))

    def work() -> None:
        judge(wire, program.setup, program.code, program.tests, lambda: leave(FAILED))
        os.write(ends.report, secret)
        leave(0)

    _with_much_stack(work, TESTS_FAILED)


def answerer() -> Callable[[Ends], NoReturn]:
    """What an answer's process does; called before it is forked.

    There it runs the answer, and does what the judge asks until that is gone.
    """
    foreign, hook, add = _foreign_modules(), _audit_hook(), sys.addaudithook

    def answer(ends: Ends) -> NoReturn:
        leave = os._exit
        wire = Wire(ends.source, ends.target, lambda: leave(0), lambda: leave(FAILED))
        answering = Answering(wire)
        # Freeing them would take longer than the whole rest.
        kept = [sys.modules.pop(name) for name in foreign]  # noqa: F841
        vars(kernel).pop("_libc")
        add(hook)
        _with_much_stack(answering.serve, FAILED)

    return answer


def report(_program: PythonProgram, ended: Ended) -> Report:
    """Passed if the secret came back."""
    if ended.sent == ended.secret and ended.code == 0:
        return Report("passed")
    return Report("failed", f"exit code {ended.code}")


def _with_much_stack(work: Callable[[], object], failure: int) -> NoReturn:
    """Work with a stack that holds deep recursions; leave where it ends otherwise."""
    leave = os._exit
    _, most = resource.getrlimit(resource.RLIMIT_STACK)
    size = _STACK_BYTES if most == resource.RLIM_INFINITY else min(most, _STACK_BYTES)
    resource.setrlimit(resource.RLIMIT_STACK, (size, most))
    try:
        work()
    finally:  # whatever a program raises, also SystemExit, is a failed step
        leave(failure)


@cache
def _foreign_modules() -> tuple[str, ...]:
    """The modules to take away from answers: ctypes, and all that are not the standard library's.

    Those are the harness's, and those of programs of other types of task.
    """
    return tuple(
        name
        for name in sys.modules
        if name.partition(".")[0] in {"ctypes", "_ctypes"} or name.partition(".")[0] not in _LIBRARY
    )


@cache
def _audit_hook() -> Callable[[str, tuple[Any, ...]], None]:
    events, attributes, names = _REFUSED_EVENTS, _REFUSED_ATTRIBUTES, _REFUSED_MODULES
    refusal, import_refusal = ValueError, ImportError
    extensions = os.path.join(os.path.dirname(os.__file__), "lib-dynload") + "/"
    length = extensions.__len__()
    kind, text = type, str

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in events or event[:7] == "ctypes.":
            raise refusal("refused in the sandbox")
        if event == "object.__getattr__" and arguments[1] in attributes:
            raise refusal("refused in the sandbox")
        if event == "import":
            name, path = arguments[0], arguments[1]
            # Of a class of the program's own, a name or path is what it likes, each time.
            if kind(name) is not text or name in names:
                raise import_refusal("refused in the sandbox")
            if path is not None and (
                kind(path) is not text or path[:length] != extensions or "/" in path[length:]
            ):
                raise import_refusal("refused in the sandbox")

    return hook
