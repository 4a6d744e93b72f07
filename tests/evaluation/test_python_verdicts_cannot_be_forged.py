"""A python answer that fails its tests is not solved, whatever it does to the interpreter.

Each answer below is wrong and tries another way to be judged right.
"""

from __future__ import annotations

import pytest

from cycleqd.evaluation.sandbox import Limits, PythonProgram, Sandbox

pytestmark = pytest.mark.timeout(120)

TESTS = "assert f(1) == 2"
# Of those that must not pass; honest ones get what busy cores may take.
LIMITS = Limits(cpu_seconds=1, wall_seconds=3)


def loading(origin: str) -> str:
    """An answer that is right if, and only if, it loads an extension module from there."""
    return (
        "import _imp, _struct, importlib.machinery, os\n"
        "extensions, name = os.path.split(_struct.__file__)\n"
        f"origin = {origin}\n"
        "spec = importlib.machinery.ModuleSpec('_struct', None, origin=origin)\n"
        "def f(x):\n"
        "    try: _imp.create_dynamic(spec)\n"
        "    except ImportError as error:\n"
        "        if 'refused' in str(error): return 1\n"
        "        raise\n"
        "    return 2\n"
    )


FORGERIES = {
    "nothing": "",
    "wrong": "def f(x): return x",
    "syntax error": "def f(x: return 2",
    "sys.exit": "import sys; sys.exit(0)",
    "SystemExit": "raise SystemExit",
    "SystemExit in the test": "def f(x): raise SystemExit(0)",
    "os._exit": "import os; os._exit(0)",
    "os._exit in the test": "import os\ndef f(x): os._exit(0)",
    "atexit": "import atexit, os; atexit.register(os._exit, 0)\ndef f(x): raise SystemExit(0)",
    "own AssertionError": "class AssertionError(SystemExit): pass\ndef f(x): return 1",
    "builtin AssertionError": (
        "import builtins; builtins.AssertionError = SystemExit\ndef f(x): return 1"
    ),
    "builtin exec": "import builtins; builtins.exec = lambda *a: None\ndef f(x): return 1",
    "builtin compile": "import builtins; builtins.compile = lambda *a, **k: None",
    "builtins replaced": "__builtins__ = {}\ndef f(x): return 1",
    "builtin equality": "import builtins; builtins.int = str\ndef f(x): return 1",
    "os.write": "import os; os.write = print; os.read = print; os._exit = print",
    "print a token": "print('passed'); print('C' + '0' * 32)\ndef f(x): return 1",
    "write to every pipe": (
        "import os\n"
        "for fd in range(128):\n"
        "    for text in (b'C', b'passed', b'1', b'{\"status\": \"passed\"}\\n', b'0' * 32):\n"
        "        try: os.write(fd, text)\n"
        "        except OSError: pass\n"
        "os._exit(0)"
    ),
    "read the secret and report it": (
        "import os\n"
        "for source in range(3, 128):\n"
        "    os.set_blocking(source, False) if source in (10, 11) else None\n"
        "    try: secret = os.read(source, 32)\n"
        "    except OSError: continue\n"
        "    for target in range(3, 128):\n"
        "        try: os.write(target, secret)\n"
        "        except OSError: pass\n"
        "os._exit(0)"
    ),
    "frames": (
        "import sys, os\n"
        "frame = sys._getframe()\n"
        "while frame:\n"
        "    for value in frame.f_locals.values():\n"
        "        if isinstance(value, bytes): os.write(10, value)\n"
        "    frame = frame.f_back\n"
        "os._exit(0)"
    ),
    "frames of other threads": (
        "import sys, os\n"
        "for frame in sys._current_frames().values():\n"
        "    while frame:\n"
        "        for value in list(frame.f_locals.values()):\n"
        "            if isinstance(value, bytes): os.write(10, value)\n"
        "        frame = frame.f_back\n"
        "os._exit(0)"
    ),
    "frame of a traceback": (
        "import os\n"
        "def f(x):\n"
        "    try: 1 / 0\n"
        "    except ZeroDivisionError as error: frame = error.__traceback__.tb_frame\n"
        "    while frame.f_back: frame = frame.f_back\n"
        "    frame.f_locals['ended'].append(True); raise SystemExit"
    ),
    "frame of a generator": (
        "def g():\n    yield 1\ndef f(x):\n    it = g(); next(it); it.gi_frame.f_back; return 1"
    ),
    "frame of a signal handler": (
        "import signal, os\n"
        "def handler(number, frame):\n"
        "    while frame:\n"
        "        for value in frame.f_locals.values():\n"
        "            if isinstance(value, bytes): os.write(10, value)\n"
        "        frame = frame.f_back\n"
        "signal.signal(signal.SIGALRM, handler); signal.alarm(1)\n"
        "import time; time.sleep(2); os._exit(0)"
    ),
    "objects of the collector": (
        "import gc, os\n"
        "for thing in gc.get_objects():\n"
        "    if isinstance(thing, dict):\n"
        "        for value in thing.values():\n"
        "            if isinstance(value, bytes) and len(value) == 32: os.write(10, value)\n"
        "os._exit(0)"
    ),
    "tracing": "import sys\nsys.settrace(lambda *a: None)\ndef f(x): return 1",
    "audit hook": (
        "import sys\n"
        "def hook(event, args):\n"
        "    if event == 'exec': globals()['tests'] = args[0]\n"
        "sys.addaudithook(hook)\ndef f(x): return tests.co_consts[-2]"
    ),
    "ctypes": ("import ctypes, os\nlibc = ctypes.CDLL(None)\ndef f(x): libc._exit(0)"),
    "ctypes by its classes": (
        "found = [c for c in object.__subclasses__() if 'CDLL' in c.__name__]\n"
        "libc = found[0](None)\n"
        "def f(x): libc._exit(0)"
    ),
    "the harness's modules": (
        "import sys\n"
        "import cycleqd.evaluation.sandbox.harness.python_item as item\n"
        "def f(x): return 1"
    ),
    "the main module": (
        "import __main__\n"
        "for name in list(vars(__main__)): setattr(__main__, name, print)\n"
        "def f(x): return 1"
    ),
    "own memory": (
        "import os\n"
        "maps = open('/proc/self/maps').read().splitlines()\n"
        "memory = open('/proc/self/mem', 'r+b', 0)\n"
        "os._exit(0)"
    ),
    "an extension module from elsewhere": loading("os.path.abspath(name)"),
    "an extension module from elsewhere by a detour": loading(
        "f'{extensions}/../lib-dynload/{name}'"
    ),
    "an extension module whose path lies": loading(
        "type('Path', (str,), {'__getitem__': lambda _, part: 'x' if part.start else"
        " extensions + '/'})(f'{extensions}/../lib-dynload/{name}')"
    ),
    "an extension of SQLite": (
        "import sqlite3\n"
        "def f(x):\n"
        "    connection = sqlite3.connect(':memory:')\n"
        "    connection.enable_load_extension(True)\n"
        "    return 2\n"
    ),
    "an extension of SQLite by its class": (
        "import sqlite3\n"
        "class C(sqlite3.Connection): pass\n"
        "def f(x):\n"
        "    sqlite3.Connection.enable_load_extension(C(':memory:'), True)\n"
        "    return 2\n"
    ),
    "background thread": (
        "import threading, os, time\n"
        "def run():\n    time.sleep(0.05); os._exit(0)\n"
        "threading.Thread(target=run).start()\n"
        "def f(x): time.sleep(1)"
    ),
    "end the thread": "import _thread\ndef f(x): _thread.exit()",
    "interrupt the judge": (
        "import _thread, time\ndef f(x): _thread.interrupt_main(); time.sleep(1)"
    ),
    "exception hooks": (
        "import sys, os, threading\n"
        "sys.excepthook = sys.unraisablehook = threading.excepthook = lambda *a: os._exit(0)\n"
        "def f(x): raise ValueError"
    ),
    "finalizer": (
        "import os\n"
        "class Late:\n    def __del__(self): os._exit(0)\n"
        "late = Late()\ndef f(x): global late; late = None"
    ),
}


def test_what_the_forgeries_load_is_there_to_be_loaded(any_sandbox: Sandbox) -> None:
    program = PythonProgram("", loading("f'{extensions}/{name}'"), TESTS)
    (report,) = any_sandbox.run([program])
    if report.status != "passed":
        pytest.skip("this Python has its extension modules within")


@pytest.mark.parametrize("name", sorted(FORGERIES))
def test_a_forged_verdict_is_not_believed(any_sandbox: Sandbox, name: str) -> None:
    right = "def f(x): return x + 1"
    forged, innocent = any_sandbox.run(
        [PythonProgram("", FORGERIES[name], TESTS, LIMITS), PythonProgram("", right, TESTS)]
    )
    assert forged.status != "passed", FORGERIES[name]
    assert innocent.status == "passed"


HONEST = {
    "functions": "def f(x): return x + 1",
    "named tuples": (
        "from collections import namedtuple\nP = namedtuple('P', 'x')\ndef f(x): return P(x).x + 1"
    ),
    "data classes": (
        "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\n"
        "def f(x): return P(x).x + 1"
    ),
    "enums and typing": (
        "from enum import Enum\nfrom typing import NamedTuple\n"
        "E = Enum('E', 'A B')\nclass N(NamedTuple):\n    x: int\n"
        "def f(x): return N(x).x + E.A.value"
    ),
    "exceptions": "def f(x):\n    try: 1 / 0\n    except ZeroDivisionError: return x + 1",
    "generators": "def f(x): return next(y + 1 for y in [x])",
    "threads": (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "def f(x):\n    with ThreadPoolExecutor(2) as pool:\n"
        "        return pool.submit(lambda: x + 1).result()"
    ),
    "coroutines": (
        "import asyncio\nasync def g(x): return x + 1\ndef f(x): return asyncio.run(g(x))"
    ),
    "files": "def f(x):\n    open('a', 'w').write('2')\n    return int(open('a').read())",
    "numbers": "import decimal, fractions, math, statistics\ndef f(x): return math.floor(2.5)",
    "main guard": "def f(x): return x + 1\nif __name__ == '__main__': import sys; sys.exit()",
    "output": "def f(x):\n    print('x' * 100000)\n    return x + 1",
    "rarely used modules": "import xml.dom.minidom, configparser, shlex\ndef f(x): return x + 1",
}


@pytest.mark.parametrize("name", sorted(HONEST))
def test_honest_programs_pass(any_sandbox: Sandbox, name: str) -> None:
    (report,) = any_sandbox.run([PythonProgram("", HONEST[name], TESTS)])
    assert report.status == "passed", report


def test_setup_runs_first_and_shares_the_namespace(any_sandbox: Sandbox) -> None:
    program = PythonProgram("import math\nK = 1", "def f(x): return math.floor(x) + K", TESTS)
    (report,) = any_sandbox.run([program])
    assert report.status == "passed"
