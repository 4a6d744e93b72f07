"""A Python program: setup, generated code and tests in one namespace, in this very process.

Generated code shares the interpreter with the code that judges it, so the judge gives it nothing
to hold on to:

- What makes a report believed is a secret that the server drew for this program alone. It comes
  through a pipe that is empty once it is read, and it is read onto the evaluation stack of a frame:
  no variable, no object that the garbage collector lists, ever holds it.
- Every step runs in a thread of its own. The frames of the judge are in another thread, so no
  caller chain leads there (signal handlers can only be set by the main thread).
- An audit hook, which cannot be removed, refuses frames, object lists, tracing, ctypes, extensions
  of SQLite and foreign extension modules. What could reach the kernel or memory is emptied before
  the first step.
- Builtins are restored before the tests, and ``assert`` does not look up ``AssertionError`` by
  name. Leaving in any other way than by the last test (``sys.exit``, ``os._exit``, ``atexit``,
  killing threads) reports nothing, and nothing means failed.

What remains is what no shared interpreter can rule out: an object that claims to equal everything
passes an ``assert f(x) == y``. It can deceive its own verdict only.
"""

# Plain paths: what is imported here is copied into every child.
# ruff: noqa: PTH118, PTH120

from __future__ import annotations

import _thread
import builtins
import os
import sys
import threading
from collections.abc import Callable
from types import CodeType
from typing import TYPE_CHECKING, Any, NoReturn

from cycleqd.evaluation.sandbox.harness import kernel
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

# Those through which Python code could make system calls or reach into memory.
_EMPTIED = frozenset({"_ctypes", "ctypes", kernel.__name__})


def run(program: PythonProgram, ends: Ends, _folder: str, _temporary: str) -> NoReturn:
    """Run the program; send the secret back if, and only if, its tests pass."""
    pipe, secret = ends.report, ends.secret
    write, read, close, leave, fuse = os.write, os.read, os.close, os._exit, b"".join
    try:
        steps = tuple(
            (compile(source, name, "exec", dont_inherit=True), code)
            for source, name, code in (
                (program.setup, "<setup>", FAILED),
                (program.code, "<completion>", FAILED),
                (program.tests, "<tests>", TESTS_FAILED),
            )
        )
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        leave(FAILED)
    runner = _runner(steps, leave)
    kept = _wall_off()  # noqa: F841
    write(pipe, fuse((read(secret, _SECRET_BYTES), close(secret) or runner())))
    leave(0)


def report(_program: PythonProgram, ended: Ended) -> Report:
    """Passed if the secret came back."""
    if ended.sent == ended.secret and ended.code == 0:
        return Report("passed")
    return Report("failed", f"exit code {ended.code}")


def _runner(
    steps: tuple[tuple[CodeType, int], ...], leave: Callable[[int], NoReturn]
) -> Callable[[], bytes]:
    """A function that runs the steps and returns b"" if all went well; it uses no global name."""
    namespace: dict[str, Any] = {"__name__": "solution", "__builtins__": builtins}
    everything, execute = BaseException, exec
    current, pristine = vars(builtins), dict(vars(builtins))
    start, lock = _thread.start_new_thread, _thread.allocate_lock
    threading.stack_size(_STACK_BYTES)

    def step(code: CodeType) -> bool:
        done, ended = lock(), []
        done.acquire()

        def body() -> None:
            try:
                execute(code, namespace)
                ended.append(True)
            except everything:  # whatever a program raises, also SystemExit, is a failed step
                ended.clear()
            done.release()

        start(body, ())
        done.acquire()
        return ended == [True]

    def run_all() -> bytes:
        for code, failure in steps:
            current.clear()
            current.update(pristine)
            namespace["__builtins__"] = builtins_module
            if not step(code):
                leave(failure)
        return b""

    builtins_module = builtins
    return run_all


def _wall_off() -> list[dict[str, Any]]:
    """Take the harness's modules and ctypes away and refuse the ways to the judge's frames.

    The harness's are all that are not the standard library's: programs of other types of task, too.

    Returns:
        What the emptied modules held. Freeing it would take longer than the whole rest, so the
        caller keeps it until the process ends.
    """
    hook, add = _audit_hook(), sys.addaudithook
    kept = []
    for name, module in list(sys.modules.items()):
        root = name.partition(".")[0]
        if root in {"ctypes", "_ctypes"} or root not in _LIBRARY:
            del sys.modules[name]
            if name in _EMPTIED:
                kept.append(dict(vars(module)))
                vars(module).clear()
    add(hook)
    return kept


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
