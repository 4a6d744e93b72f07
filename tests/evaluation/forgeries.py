"""Wrong answers that try to be judged right from outside of the judge, as data.

Each is an answer, the tests that it does not fulfil, and the setup that these need.
"""

# Programs within texts.
# ruff: noqa: E501

from __future__ import annotations

EQUAL = "class A:\n    def __eq__(self, o): return True\n    __hash__ = None\n"
FLOOD = (
    "import os, threading\n"
    "def write(data):\n"
    "    while data: data = data[os.write(13, data):]\n"
    "def frame(text): return len(text).to_bytes(4, 'big') + text\n"
)


def writing(data: str) -> tuple[str, str]:
    """An answer that writes to the judge's pipe as it is called."""
    return f"{FLOOD}def f(x):\n    write({data})\n    return 1", "assert f(1) == 2"


OUTSIDE: dict[str, tuple[str, ...]] = {
    # Objects that claim to be what is expected.
    "equal to everything": (f"{EQUAL}def f(x): return A()", "assert f(1) == 2"),
    "equal to everything, from the right": (f"{EQUAL}def f(x): return A()", "assert 2 == f(1)"),
    "unequal to nothing": (
        "class A:\n    def __ne__(self, o): return False\ndef f(x): return A()",
        "assert not f(1) != 2",
    ),
    "equal within a list": (f"{EQUAL}def f(x): return [A()]", "assert f(1) == [2]"),
    "equal within a tuple and a dict": (
        f"{EQUAL}def f(x): return {{'a': (1, A())}}",
        "assert f(1) == {'a': (1, 2)}",
    ),
    "found in everything": (f"{EQUAL}def f(x): return A()", "assert f(1) in [2, 3]"),
    "contains everything": (
        "class A:\n    def __contains__(self, o): return True\ndef f(x): return A()",
        "assert 2 in f(1)",
    ),
    "contains everything and goes on for nothing": (
        (
            "class A:\n    def __contains__(self, o): return True\n"
            "    def __iter__(self): return iter(())\ndef f(x): return A()"
        ),
        "assert 2 in f(1)",
    ),
    "an int of its own": (
        (
            "class A(int):\n    def __eq__(self, o): return True\n    __hash__ = int.__hash__\n"
            "def f(x): return A(1)"
        ),
        "assert f(1) == 2",
    ),
    "a text of its own": (
        (
            "class A(str):\n    def __eq__(self, o): return True\n    __hash__ = str.__hash__\n"
            "def f(x): return A('a')"
        ),
        "assert f(1) == 'b'",
    ),
    "a list of its own": (
        (
            "class A(list):\n    def __eq__(self, o): return True\n    def __len__(self): return 1\n"
            "    def __iter__(self): return iter([2])\ndef f(x): return A([1])"
        ),
        "assert f(1) == [2]",
    ),
    "a set of its own": (
        (
            "class A(frozenset):\n    def __eq__(self, o): return True\n"
            "    __hash__ = frozenset.__hash__\ndef f(x): return A([1])"
        ),
        "assert f(1) == {2}",
    ),
    "a hash of its own": (
        (
            "class A:\n    def __hash__(self): return hash(2)\n    def __eq__(self, o): return True\n"
            "def f(x): return A()"
        ),
        "assert {f(1)} == {2} or f(1) in {2} or {2: 1}[f(1)]",
    ),
    "smaller and larger": (
        (
            "class A:\n    def __lt__(self, o): return True\n    __gt__ = __le__ = __ge__ = __lt__\n"
            "def f(x): return A()"
        ),
        "assert 1 < f(1) < 3",
    ),
    "a difference of nothing": (
        (
            "class A:\n    def __sub__(self, o): return 0\n    __rsub__ = __sub__\n"
            "def f(x): return A()"
        ),
        "assert abs(f(1) - 2) < 1e-6",
    ),
    "a difference that is an object": (
        (
            "class A:\n    def __sub__(self, o): return self\n    __rsub__ = __sub__\n"
            "    def __abs__(self): return 0\n    def __lt__(self, o): return True\n"
            "def f(x): return A()"
        ),
        "assert abs(f(1) - 2) < 1e-6",
    ),
    "close to everything": (
        (
            "class A(float):\n    def __float__(self): return 2.0\n    def __sub__(self, o): return 0\n"
            "def f(x): return A(1)"
        ),
        "import math\nassert math.isclose(f(1), 2)",
    ),
    "an instance of everything": (
        "class A:\n    __class__ = int\n    def __eq__(self, o): return True\ndef f(x): return A()",
        "y = f(1)\nassert isinstance(y, int) and y == 2",
    ),
    "a context that swallows": (
        (
            "class A:\n    def __enter__(self): return 1\n    def __exit__(self, *e): return True\n"
            "def f(x): return A()"
        ),
        "with f(1) as y:\n    assert y == 2",
    ),
    "a number that learns": (
        (
            "class A:\n    def __eq__(self, o):\n        global known; known = o; return False\n"
            "known = None\ndef f(x): return A() if known is None else known"
        ),
        "f(1) == 2\nassert f(1) == 2",
    ),
    # Names that the tests stand on.
    "all": ("def all(x): return True\ndef f(x): return 1", "assert all(f(i) == 2 for i in 'ab')"),
    "any, len, sorted": (
        (
            "def any(x): return False\ndef len(x): return 2\ndef sorted(x): return [2]\n"
            "def f(x): return [1]"
        ),
        "assert sorted(f(1)) == [2] and len(f(1)) == 2 and not any(f(1))",
    ),
    "len": ("def len(x): return 2\ndef f(x): return [1]", "assert len(f(1)) == 2"),
    "sorted": ("sorted = lambda x: [2]\ndef f(x): return [1]", "assert sorted(f(1)) == [2]"),
    "isinstance": (
        "def isinstance(*a): return True\ndef f(x): return 1",
        "assert isinstance(f(1), str)",
    ),
    "builtins": (
        (
            "import builtins\nbuiltins.all = builtins.len = lambda x: True\n"
            "builtins.AssertionError = SystemExit\ndef f(x): return [1]"
        ),
        "assert all(x == 2 for x in f(1))",
    ),
    "sum beside the function that is asked for": (
        "def sum(x): return 2\ndef sorted(x): return [2]",
        "assert sorted(sum([1])) == [2]",
    ),
    "a helper of the setup": (
        "def same(a, b): return True\ndef f(x): return 1",
        "assert same(f(1), 2)",
        "def same(a, b): return a == b",
    ),
    "a value of the setup": ("K = 1\ndef f(x): return 1", "assert f(1) == K", "K = 2"),
    "a class of the setup": (
        (
            "class R:\n    def __init__(self, x): self.x = 1\n    def __eq__(self, o): return True\n"
            "def f(x): return R(1)"
        ),
        "assert f(1) == R(2)",
        "from dataclasses import dataclass\n@dataclass\nclass R:\n    x: int",
    ),
    "a method of an object of the setup": (
        "def f(x):\n    r = R(); r.right = lambda: True; return r",
        "assert f(1).right()",
        "class R:\n    x = 1\n    def right(self): return self.x == 2",
    ),
    "a function of the setup by its globals": (
        (
            "same.__globals__['same'] = same.__code__ = (lambda a, b: True).__code__\n"
            "def f(x): return 1"
        ),
        "assert same(f(1), 2)",
        "def same(a, b): return a == b",
    ),
    "globals": (
        "def f(x):\n    globals().update(expected=1, same=lambda *a: True); return 1",
        "expected = 2\ndef same(a, b): return a == b\nassert same(f(1), expected)",
    ),
    "a patched library": (
        (
            "import math, operator\nmath.isclose = operator.eq = lambda *a, **k: True\n"
            "def f(x): return 1"
        ),
        "import math, operator\nassert math.isclose(f(1), 2) and operator.eq(f(1), 2)",
    ),
    "a library under another's name": (
        "import operator as math\nmath.isclose = lambda *a: True\ndef f(x): return 1",
        "import math\nassert math.isclose(f(1), 2)",
    ),
    # Ways into the judge.
    "the tests in memory": (
        (
            "import gc, sys\n"
            "def f(x):\n"
            "    for kind in object.__subclasses__():\n"
            "        if kind.__name__ == 'PythonProgram': return 2\n"
            "    found = [v for m in list(sys.modules.values()) for v in vars(m).values()]\n"
            "    return 2 if any(isinstance(v, str) and 'assert f(1)' in v for v in found) else 1"
        ),
        "assert f(1) == 2",
    ),
    "the tests by frames": (
        (
            "import sys\ndef f(x):\n    frame = sys._getframe()\n    while frame:\n"
            "        if 'tests' in frame.f_locals: return 2\n        frame = frame.f_back\n"
        ),
        "assert f(1) == 2",
    ),
    "monitoring": (
        (
            "import sys\n"
            "def f(x):\n"
            "    sys.monitoring.use_tool_id(0, 'x')\n"
            "    sys.monitoring.register_callback(0, 1, lambda code, at: seen.append(code))\n"
            "    sys.monitoring.set_events(0, 1)\n    return 2 if seen else 1\nseen = []"
        ),
        "assert f(1) == 2",
    ),
    "a callback's globals": (
        "def f(g):\n    g.__globals__['expected'] = 1\n    return 1",
        "expected = 2\nassert f(lambda: expected) == expected",
    ),
    "a generator's frame": (
        "def f(g):\n    g.gi_frame.f_globals['expected'] = 1\n    return 1",
        "expected = 2\nassert f(i for i in 'ab') == expected",
    ),
    "an object of the tests by its class": (
        "def f(o):\n    o.__class__.__eq__ = lambda *a: True\n    o.x = 2\n    return o.look\n",
        "class O:\n    x = 1\n    def look(self): return self.x\no = O()\nf(o)\nassert o.x == 2",
    ),
    "functions of Python's own on the tests' objects": (
        "def f(get, put, g):\n    put(get(g, '__globals__'), 'expected', 1)\n    return 1",
        "import operator\nexpected = 2\nassert f(getattr, operator.setitem, lambda: 2) == expected",
    ),
    "a callback's code": (
        "def f(g):\n    g.__code__ = (lambda: 1).__code__\n    return 1",
        "def g(): return 2\nassert f(g) == g()",
    ),
    "signals to the judge": (
        (
            "import os, signal\ndef f(x):\n"
            "    for pid in range(2, 200):\n"
            "        for number in (signal.SIGINT, signal.SIGALRM, signal.SIGKILL):\n"
            "            try: os.kill(pid, number)\n"
            "            except PermissionError: continue\n"
            "            except ProcessLookupError: return 2\n"
            "            return 2\n    return 1"
        ),
        "assert f(1) == 2",
    ),
    "the judge's memory": (
        (
            "import os\ndef f(x):\n    for pid in range(1, 400):\n"
            "        if pid == os.getpid(): continue\n"
            "        for name in ('mem', 'environ', 'fd/10', 'fd/11', 'maps'):\n"
            "            try: open(f'/proc/{pid}/{name}', 'rb').read(1); return 2\n"
            "            except OSError: pass\n    return 1"
        ),
        "assert f(1) == 2",
    ),
    "modules in the folder": (
        (
            "open('math.py', 'w').write('isclose = lambda *a: True')\n"
            "open('textwrap.py', 'w').write('raise SystemExit(0)')\ndef f(x): return 1"
        ),
        "import math, textwrap\nassert math.isclose(f(1), 2)",
    ),
    # The pipe.
    "no messages": writing("b'passed' * 100"),
    "a long message": writing("b'\\xff\\xff\\xff\\xff' + bytes(1 << 20)"),
    "messages of every kind": writing(
        "b''.join(frame(t) for t in (b'null', b'{}', b'[]', b'[\"ok\"]', b'[1,2,3]'))"
    ),
    "deep messages": writing("frame(b'[' * 200000)"),
    "deep values": writing("frame(b'[\"ok\",' + b'[' * 500 + b']' * 500 + b',[]]')"),
    "numbers of many digits": writing("frame(b'[\"ok\",' + b'9' * 5000 + b',[]]')"),
    "values of no kind": writing('frame(b\'["ok",{"Z":1},[]]\')'),
    "lies about containers": writing('frame(b\'["ok",{"s":7},[]]\')'),
    "changes of containers that are none": writing("frame(b'[\"ok\",1,[[3,[],[]]]]')"),
    "negative numbers of containers": writing("frame(b'[\"ok\",1,[[-9,[],[]]]]')"),
    "exceptions of no kind": writing('frame(b\'["raise",null,["str"],[],[]]\')'),
    "questions about no callback": writing('frame(b\'["ask",0,"call",[{"D":[]}]]\')'),
    "a handle of no number": writing('frame(b\'["ok",{"h":-1},[]]\')'),
    "an unhashable member": writing('frame(b\'["ok",{"S":[[1]]},[]]\')'),
    "half a message": (
        f"{FLOOD}import os\ndef f(x):\n    write(b'\\0\\0\\1\\0[\"ok\"')\n    os._exit(0)",
        "assert f(1) == 2",
    ),
    "a flood without end": (
        f'{FLOOD}def f(x):\n    while True: write(frame(b\'["ask",0,"call",[{{"D":[]}}]]\'))',
        "assert f(lambda: 1) == 2",
    ),
    "a flood from behind": (
        (
            f"{FLOOD}def flood():\n    while True: write(frame(b'[\"ok\",true,[]]'))\n"
            "threading.Thread(target=flood, daemon=True).start()\ndef f(x): return 1"
        ),
        "assert f(1) == 2",
    ),
    "both ends closed": ("import os\ndef f(x): os.close(12); os.close(13)", "assert f(1) == 2"),
    "an early reply": (
        f'{FLOOD}import os\nwrite(frame(b\'["ok",[["f"],{{}}],[]]\') + frame(b\'["ok",[1],[]]\'))',
        "assert f(1) == 2",
    ),
    # Ends.
    "a call that kills its process": (
        "import os\ndef f(x): os._exit(0)",
        "try: f(1)\nexcept BaseException: pass",
    ),
    "a call that ends as an exception": (
        "def f(x): raise SystemExit(0)",
        "assert f(1) == 2",
    ),
    "a call without end": ("def f(x):\n    while True: pass", "assert f(1) == 2"),
    "a call that sleeps": ("import time\ndef f(x): time.sleep(99)", "assert f(1) == 2"),
    "an iteration without end": (
        "import itertools\ndef f(x): return itertools.repeat(1)",
        "assert list(f(1)) == [2]",
    ),
    "a huge value": ("def f(x): return 'x' * (100 << 20)", "assert f(1)"),
    "a value of many parts": ("def f(x): return [[]] * 20000000", "assert f(1)"),
    "a deep value": (
        "def f(x):\n    y = []\n    for _ in range(100000): y = [y]\n    return y",
        "assert f(1)",
    ),
    "a value that holds itself": ("def f(x):\n    y = []; y.append(y); return y", "assert f(1)"),
    "a recursion through callbacks": (
        "def f(g): return g(g)",
        "def g(h): return f(h)\nassert f(g) == 2",
    ),
}
