"""An answer runs in a process of its own: the tests see its values, and nothing else of it counts."""

# Programs within texts.
# ruff: noqa: E501

from __future__ import annotations

import pytest
from forgeries import OUTSIDE

from cycleqd.evaluation.sandbox import Limits, PythonProgram, Sandbox

pytestmark = pytest.mark.timeout(120)

# Of those that must not pass; honest ones get what busy cores may take.
LIMITS = Limits(cpu_seconds=1, wall_seconds=3)
INNOCENT = PythonProgram("", "def f(x): return x + 1", "assert f(1) == 2")


@pytest.mark.parametrize("name", sorted(OUTSIDE))
def test_a_forged_verdict_is_not_believed(sandbox: Sandbox, name: str) -> None:
    code, tests, setup = (*OUTSIDE[name], "")[:3]
    forged, innocent = sandbox.run([PythonProgram(setup, code, tests, LIMITS), INNOCENT])
    assert forged.status != "passed", code
    assert innocent.status == "passed"


VALUES = {
    "numbers": "(0, -7, 2 ** 2000, -(10 ** 999), 1.5, 1e300, 3 + 4j, True, None)",
    "infinities": "(float('inf'), float('-inf'), -0.0)",
    "texts": r"('', 'a\0b', '\ud800', 'ä\U0001f600', b'\0\xff', bytearray(b'ab'))",
    "containers": "[(), [], {}, set(), frozenset(), (1,), [[1], (2, [3])], {1, 'a'}, range(1, 9, 2)]",
    "dictionaries": "{1: 'a', 'a': {2: (3,)}, (1, 2): [4], None: {5}, frozenset({1}): 6}",
    "ellipses in texts": "['...', '{\"T\": 1}', {'T': [1]}, {'s': 0}]",
    "a long list": "list(range(100000))",
    "counters": "Counter('abca'), OrderedDict(b=1, a=2), deque([1, 2], 5), defaultdict(list, a=[1])",
    "exact numbers": "Decimal('0.10'), Fraction(1, 3)",
    "dates": "date(2020, 1, 2), datetime(2020, 1, 2, 3), timedelta(1, 2, 3), time(4, 5)",
    "types": "int, str, list, type(None), ValueError",
}
LIBRARY = (
    "from collections import Counter, OrderedDict, defaultdict, deque\n"
    "from datetime import date, datetime, time, timedelta\n"
    "from decimal import Decimal\nfrom fractions import Fraction\n"
)


@pytest.mark.parametrize("name", VALUES)
def test_values_cross_both_ways(any_sandbox: Sandbox, name: str) -> None:
    value = VALUES[name]
    tests = (
        f"value = {value}\n"
        "def kinds(v):\n"
        "    inner = list(v.items()) if isinstance(v, dict) else v\n"
        "    return type(v), [kinds(x) for x in inner] if isinstance(v, (list, tuple, dict)) else 0\n"
        "assert made() == value and kinds(made()) == kinds(value)\n"
        "back = same(value)\nassert back == value and kinds(back) == kinds(value)\n"
    )
    code = f"{LIBRARY}def made(): return {value}\ndef same(x): return x"
    (report,) = any_sandbox.run([PythonProgram(LIBRARY, code, tests)])
    assert report.status == "passed", report


HONEST = {
    "exceptions": (
        (
            "class Own(ValueError): pass\n"
            "def f(x):\n    if x < 0: raise ValueError('negative', x)\n    if x > 9: raise Own(x)\n"
            "    return [1][x] if x else 1 / 0"
        ),
        (
            "for x, kind in ((-1, ValueError), (0, ZeroDivisionError), (1, IndexError), (1, LookupError),\n"
            "                (10, Own), (10, ValueError)):\n"
            "    try: f(x)\n    except kind as error: caught = error\n    else: assert False\n"
            "    assert isinstance(caught, kind)\n"
            "try: f(-1)\nexcept ValueError as error: assert error.args == ('negative', -1)"
        ),
    ),
    "exceptions of the setup": (
        "def f(x): raise Bad('x')",
        "try: f(1)\nexcept Bad as error: assert str(error) == 'x'\nelse: assert False",
        "class Bad(Exception): pass",
    ),
    "generators": (
        "def f(n):\n    for i in range(n): yield [i]",
        (
            "g = f(3)\nassert next(g) == [0] and list(g) == [[1], [2]] and list(f(0)) == []\n"
            "assert [x for x, in f(2)] == [0, 1] and sum(len(x) for x in f(4)) == 4 and [2] in f(3)"
        ),
    ),
    "iterators and views": (
        "def f(x): return map(str, x)\ndef k(d): return d.keys()",
        (
            "assert list(f([1, 2])) == ['1', '2'] and ''.join(f((3,))) == '3'\n"
            "assert k({1: 2}) == {1} and sorted(k({2: 1, 1: 2})) == [1, 2]"
        ),
    ),
    "arguments changed in place": (
        (
            "def f(xs, d, s):\n    xs.sort(); xs[0].append(9); xs.append('new'); d['a'] = xs; s.add(1)\n"
            "    return xs"
        ),
        (
            "inner = [1]\nxs, d, s = [[2], inner], {}, {7}\nassert f(xs, d, s) is xs\n"
            "assert xs == [[1, 9], [2], 'new'] and xs[0] is inner and d['a'] is xs and s == {1, 7}"
        ),
    ),
    "arguments that hold themselves": (
        "def f(xs): return len(xs) if xs[1] is xs else 0",
        "xs = [1]\nxs.append(xs)\nassert f(xs) == 2",
    ),
    "named arguments": (
        "def f(a, *b, c=3, **d): return a, b, c, d",
        "assert f(1, 2, c=4, e=5) == (1, (2,), 4, {'e': 5})",
    ),
    "functions given to the answer": (
        "def f(g, xs): return sorted((g(x) for x in xs), key=lambda x: -x)",
        (
            "seen = []\ndef g(x): seen.append(x); return x + 1\n"
            "assert f(g, [1, 2]) == [3, 2] and seen == [1, 2] and f(lambda x: x, iter([5])) == [5]\n"
            "assert f(abs, (i for i in (-1, -2))) == [2, 1] and f(max, [[1, 2]]) == [2]"
        ),
    ),
    "functions that raise": (
        "def f(g):\n    try: return g()\n    except KeyError as error: return error.args[0]",
        "def g(): raise KeyError('k')\nassert f(g) == 'k'",
    ),
    "functions that call the answer": (
        "def f(n, g): return 1 if n == 0 else n * g(n - 1)",
        "def g(n): return f(n, g)\nassert f(20, g) == 2432902008176640000",
    ),
    "functions of the answer": (
        "def f(n): return lambda x: x + n",
        "add = f(3)\nassert add(4) == 7 and list(map(add, [1, 2])) == [4, 5] and callable(add)",
    ),
    "classes of the answer": (
        (
            "class Stack:\n    kind = 'stack'\n    def __init__(self): self.items = []\n"
            "    def push(self, x): self.items.append(x); return self\n"
            "    def __len__(self): return len(self.items)\n    def __iter__(self): return iter(self.items)\n"
            "    def __eq__(self, o): return self.items == o.items\n    def __repr__(self): return 'S'\n"
            "    def __getitem__(self, i): return self.items[i]\n"
            "    def __enter__(self): return self\n    def __exit__(self, *e): self.items.clear()\n"
            "    @property\n    def top(self): return self.items[-1]"
        ),
        (
            "s = Stack()\nassert s.push(1) is s and s.push(2).top == 2 and len(s) == 2 and 1 in s\n"
            "assert s[0] == 1 and s != Stack() and s == Stack().push(1).push(2) and repr(s) == 'S'\n"
            "s.mark = 5\nassert s.mark == 5 and Stack.kind == 'stack' and isinstance(s, Stack)\n"
            "assert not isinstance(3, Stack) and f'{s}' == 'S' and str([s]) == '[S]' and bool(s)\n"
            "with s as t: assert t is s\nassert not s and not hasattr(s, 'absent')"
        ),
    ),
    "arithmetic of the answer's objects": (
        (
            "class V:\n    def __init__(self, x): self.x = x\n"
            "    def __add__(self, o): return V(self.x + o.x)\n    def __mul__(self, n): return V(self.x * n)\n"
            "    def __neg__(self): return V(-self.x)\n    def __lt__(self, o): return self.x < o.x"
        ),
        (
            "assert (V(1) + V(2)).x == 3 and (V(2) * 4).x == 8 and (-V(1)).x == -1\n"
            "assert max(V(1), V(2)).x == 2 and [v.x for v in sorted([V(2), V(1)])] == [1, 2]"
        ),
    ),
    "named tuples and enumerations of the answer": (
        (
            "from collections import namedtuple\nfrom enum import Enum, IntEnum\n"
            "P = namedtuple('P', 'x y')\nclass E(Enum):\n    A = 1\nclass I(IntEnum):\n    A = 1\n"
            "def f(): return P(1, [2])\ndef e(): return E.A\ndef i(): return I.A"
        ),
        (
            "p = f()\nassert p == (1, [2]) and p.x == 1 and len(p) == 2 and [*p] == [1, [2]]\n"
            "x, y = p\nassert e() is E.A and e().value == 1 and i() == 1 and i() + 1 == 2 and p[1] == [2]"
        ),
    ),
    "named tuples of the setup": (
        "def f(t): return sum(r.pay for r in t if r.name != 'b')\ndef g(r): return R('z', r.pay + 1)",
        "assert f(t) == 4 and g(t[0]) == R('z', 2) and type(g(t[1])) is R",
        (
            "from collections import namedtuple\nR = namedtuple('R', 'name pay')\n"
            "t = [R('a', 1), R('b', 2), R('c', 3)]"
        ),
    ),
    "classes of the setup": (
        (
            "def f(n):\n    n.left, n.value = Node(7), n.value + 1\n    return n\n"
            "def make(): return Node(1, Node(2))\ndef color(c): return Color.B if c is Color.A else c"
        ),
        (
            "n = Node(1)\nassert f(n) is n and n.left.value == 7 and n.value == 2\n"
            "assert make().left.value == 2 and isinstance(make(), Node) and color(Color.A) is Color.B"
        ),
        (
            "from enum import Enum\nclass Color(Enum):\n    A = 1\n    B = 2\n"
            "class Node:\n    def __init__(self, value, left=None): self.value, self.left = value, left"
        ),
    ),
    "objects of classes of the tests": (
        "def f(o): return o.x + o.twice(4)",
        "class O:\n    x = 1\n    def twice(self, y): return 2 * y\nassert f(O()) == 9",
    ),
    "types given to the answer": (
        "def f(xs, kind): return [x for x in xs if type(x) is kind]",
        "assert f([1, 'a', 2.5], str) == ['a']",
    ),
    "a function of a builtin's name": (
        "def sum(a, b): return a + b",
        "assert sum(1, 2) == 3",
    ),
    "a stub of the setup": (
        "def f(x): return x + 1",
        "assert f(1) == 2",
        "def f(x):\n    '''Add one.'''\n    raise NotImplementedError()",
    ),
    "helpers of the setup on both sides": (
        "def f(x): return double(x) + 1",
        "assert f(2) == double(2) + 1",
        "def double(x): return 2 * x",
    ),
    "modules and values of the answer": (
        "import math\nPI = 3\ndef f(): return PI",
        "assert f() == PI and math.floor(1.5) == 1",
    ),
    "deep recursion": (
        "import sys\nsys.setrecursionlimit(20000)\ndef f(n): return 1 + f(n - 1) if n else 0",
        "assert f(9000) == 9000",
    ),
    "setup that calls the answer": (
        "def f(x): return x",
        "assert run(3) == 3",
        "def run(x): return f(x)",
    ),
    "files": ("def f(): open('a', 'w').write('2')", "f()\nassert open('a').read() == '2'"),
}


@pytest.mark.parametrize("name", HONEST)
def test_honest_answers_pass(sandbox: Sandbox, name: str) -> None:
    code, tests, setup = (*HONEST[name], "")[:3]
    limits = Limits(cpu_seconds=5, wall_seconds=20)
    (report,) = sandbox.run([PythonProgram(setup, code, tests, limits)])
    assert report.status == "passed", report


@pytest.mark.parametrize("name", HONEST)
def test_what_honest_answers_pass_is_no_matter_of_course(any_sandbox: Sandbox, name: str) -> None:
    _, tests, setup = (*HONEST[name], "")[:3]
    (report,) = any_sandbox.run([PythonProgram(setup, "", tests, LIMITS)])
    assert report.status == "failed", tests
