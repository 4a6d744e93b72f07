"""The judge of a Python answer: setup and tests, with handles for what the answer defines.

The tests see the setup's own names, and those of the answer that the setup does not define. The
answer never takes the place of Python's own functions but where the tests ask for nothing else than
one of them: a function that an item wants to be called ``sum``. Nor does it take that of a helper;
a function that the setup leaves empty, as prompts do, is the answer's to define.
"""

from __future__ import annotations

import ast
import builtins
import symtable
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any, NoReturn

from cycleqd.evaluation.sandbox.harness import handles
from cycleqd.evaluation.sandbox.harness.link import MODULE, Link
from cycleqd.evaluation.sandbox.harness.setups import Setup
from cycleqd.evaluation.sandbox.harness.wire import Wire

_BUILTINS = frozenset(vars(builtins))


def judge(wire: Wire, setup: str, code: str, tests: str, failed: Callable[[], NoReturn]) -> None:
    """Come back if the answer passes its tests.

    Args:
        wire: the pipes to the answer's process.
        setup: trusted source.
        code: the answer.
        tests: trusted source.
        failed: called where the answer does not run; does not come back.

    Raises:
        BaseException: what the tests raised.
    """
    namespace: dict[str, Any] = {"__name__": MODULE, "__builtins__": builtins}
    exec(compile(setup, "<setup>", "exec", dont_inherit=True), namespace)  # noqa: S102  # trusted
    known = Setup(namespace, trusting=False)
    link = Link(wire, known, handles.handle, handles.number_of)
    program = compile(tests, "<tests>", "exec", dont_inherit=True)
    try:
        bound, modules, functions = link.request("run", setup, code)
        names = set(map(str, bound))
        modules = {str(name): str(module) for name, module in dict(modules).items()}
        functions = {str(name): function for name, function in dict(functions).items()}
    except BaseException:  # noqa: BLE001  # whatever an answer raises
        failed()
    taken = sorted(_taken(names, setup, tests, namespace))
    namespace.update(zip(taken, _values(link, taken, modules, functions), strict=True))
    exec(program, namespace)  # noqa: S102  # trusted


def _values(
    link: Link, names: list[str], modules: Mapping[str, str], functions: Mapping[str, Any]
) -> Iterable[Any]:
    """What names of the answer stand for; modules of the standard library for themselves."""
    known = {
        name: import_module(name)
        for name in names
        if modules.get(name) == name and name in sys.stdlib_module_names
    }
    known = {**functions, **known}
    asked = [name for name in names if name not in known]
    known |= zip(asked, link.request("names", asked) if asked else (), strict=True)
    return [known[name] for name in names]


def _taken(names: set[str], setup: str, tests: str, namespace: Mapping[str, Any]) -> Iterable[str]:
    """The names of the answer that the tests see."""
    text = f"{setup}\n{tests}"
    named = {name for name in names if name in text and not name.startswith("__")}
    empty = _empty_functions(setup) if named & namespace.keys() else set()
    plain = named - (namespace.keys() - empty)
    shadowing = plain & _BUILTINS
    if shadowing and (len(shadowing) > 1 or _asked_for(tests, namespace.keys() - empty)):
        return plain - shadowing
    return plain


def _asked_for(tests: str, known: Iterable[str]) -> set[str]:
    """The names that tests use and that nobody but an answer can define."""
    top = symtable.symtable(tests, "<tests>", "exec")
    bound = {symbol.get_name() for symbol in top.get_symbols() if _binds(symbol)}
    used: set[str] = set()
    tables = [top]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        for symbol in table.get_symbols():
            if symbol.is_global() and symbol.is_assigned():
                bound.add(symbol.get_name())
            if symbol.is_referenced() and (table is top or symbol.is_global()):
                used.add(symbol.get_name())
    return used - bound - set(known) - _BUILTINS


def _binds(symbol: symtable.Symbol) -> bool:
    return symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()


def _empty_functions(setup: str) -> set[str]:
    """The functions and classes of a setup that do nothing: what an answer is to fill in."""
    return {
        node.name
        for node in ast.parse(setup).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and all(map(_idle, node.body))
    }


def _idle(statement: ast.stmt) -> bool:
    match statement:
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Raise(exc=ast.Name(id=name) | ast.Call(func=ast.Name(id=name))):
            return name == "NotImplementedError"
    return False
