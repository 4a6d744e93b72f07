"""What the setup of a Python item defines, known by name to the judge and to the answer's process.

The setup runs in both, so its classes and functions cross by name, and objects of its classes by
name and state::

    n function or class of the setup   o object of such a class   e member of such an enumeration
    b class of Python's own, or function of it that tests give to an answer

A state that comes from an answer never takes the place of a method.
"""

# Values are whatever tests and answers make of them.
# ruff: noqa: ANN401

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Mapping
from enum import Enum
from operator import is_
from types import BuiltinFunctionType, FunctionType
from typing import Any

from cycleqd.evaluation.sandbox.harness import plain
from cycleqd.evaluation.sandbox.harness.plain import Malformed, Packer, Unpacker

_CORES: dict[type, Callable[[Any], list[Any]]] = {
    tuple: lambda v: list(tuple.__iter__(v)),
    list: lambda v: list(list.__iter__(v)),
    dict: plain.flat,
    set: lambda v: list(set.__iter__(v)),
    frozenset: lambda v: list(frozenset.__iter__(v)),
    str: lambda v: [str.__str__(v)],
    int: lambda v: [int.__int__(v)],
    float: lambda v: [float.__float__(v)],
    BaseException: lambda v: list(v.args),
}
"""What an object of a class below one of Python's own holds as one of those."""

_FILLED = (list, dict, set)
_PLAIN_CLASSES: dict[str, type] = {
    "NoneType": type(None),
    **{kind.__name__: kind for kind in vars(builtins).values() if isinstance(kind, type)},
}
_FUNCTIONS: dict[str, Any] = {
    name: value for name, value in vars(builtins).items() if isinstance(value, BuiltinFunctionType)
}
EXCEPTIONS: dict[str, type[BaseException]] = {
    name: kind
    for name, kind in vars(builtins).items()
    if isinstance(kind, type) and issubclass(kind, BaseException)
}


class Setup:
    """The names that a setup has defined.

    Args:
        namespace: its globals, as it left them.
        trusting: whether states may be anything, as those that a judge sends.
    """

    def __init__(self, namespace: Mapping[str, Any], *, trusting: bool) -> None:
        self.names = dict(namespace)
        self._trusting = trusting
        self._named = {
            id(value): name
            for name, value in self.names.items()
            if isinstance(value, type | FunctionType)
        }

    def pack(self, packer: Packer, value: Any, depth: int) -> Any:
        """JSON for what the setup defines, objects of its classes and classes of Python's own."""
        name = self._named.get(id(value))
        if name is not None:
            return {"n": name}
        kind = type(value)
        name = self._named.get(id(kind))
        if name is not None and not _of_the_library(kind):
            if isinstance(value, Enum):
                return {"e": [name, value.name]}
            known = packer.known(value) if _mutable(kind) else None
            if known is not None:
                return known
            core, attributes = snapshot(value)
            return {"o": [name, packer.items(core, depth), packer.items(attributes, depth)]}
        common: Mapping[str, Any] = {}
        if isinstance(value, type):
            name, common = value.__name__, _PLAIN_CLASSES
        elif isinstance(value, BuiltinFunctionType) and not self._trusting:
            name, common = value.__name__, _FUNCTIONS
        return {"b": name} if common.get(str(name)) is value else None

    def unpack(self, unpacker: Unpacker, letter: str, inner: Any, depth: int) -> Any:
        """The value behind one of the four letters.

        Raises:
            Malformed: there is none.
        """
        try:
            if letter == "b":
                # A judge takes classes alone: functions reach further.
                return (_PLAIN_CLASSES | _FUNCTIONS if self._trusting else _PLAIN_CLASSES)[inner]
            if letter == "n":
                return self.names[inner]
            kind = self.names[inner[0]]
            if letter == "e" and issubclass(kind, Enum):
                return kind[inner[1]]
            if letter == "o" and isinstance(kind, type) and not _of_the_library(kind):
                return self._object(unpacker, kind, inner, depth)
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            raise Malformed from error
        raise Malformed

    def _object(self, unpacker: Unpacker, kind: type, inner: Any, depth: int) -> Any:
        base = _base(kind)
        make: Callable[..., Any] = (base or object).__new__
        if _mutable(kind):
            found = unpacker.number(make(kind))
            core, attributes = (unpacker.items(part, depth) for part in inner[1:])
            self.refill(found, core, attributes)
            return found
        core, attributes = (unpacker.items(part, depth) for part in inner[1:])
        if len(core) != len(getattr(kind, "_fields", core)):
            raise Malformed
        whole = base in {tuple, frozenset}
        found = make(kind, core) if whole else make(kind, *core)
        self.refill(found, [], attributes)
        return found

    def refill(self, value: Any, core: list[Any], attributes: list[Any]) -> None:
        """Give a numbered container or object another content.

        Raises:
            Malformed: it takes the place of a method.
        """
        kind = type(value)
        if kind in plain.MUTABLE:
            plain.restore(value, core)
            return
        if isinstance(value, _FILLED):
            plain.restore(value, core)
        own = getattr(value, "__dict__", None)
        if type(own) is dict:
            own.clear()
        for name, part in zip(attributes[::2], attributes[1::2], strict=True):
            if not self._trusting and (type(name) is not str or callable(getattr(kind, name, 0))):
                raise Malformed
            object.__setattr__(value, name, part)


def snapshot(value: Any) -> tuple[list[Any], list[Any]]:
    """What a numbered container or object holds, and its attributes: names and values in turn."""
    kind = type(value)
    if kind in plain.MUTABLE:
        return plain.content(value), []
    base = _base(kind)
    core = [] if base is None else _CORES[base](value)
    attributes = plain.flat(getattr(value, "__dict__", {}))
    for above in kind.__mro__:
        slots = above.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in {"__dict__", "__weakref__"} and hasattr(value, name):
                attributes += [name, getattr(value, name)]
    return core, attributes


def unchanged(one: tuple[list[Any], list[Any]], other: tuple[list[Any], list[Any]]) -> bool:
    """Whether two snapshots hold the same objects."""
    return all(len(a) == len(b) and all(map(is_, a, b)) for a, b in zip(one, other, strict=True))


def data_of(value: Any) -> list[Any] | None:
    """What an object of a class below one of Python's own holds as one: that as a list of one."""
    base = _base(type(value))
    if base is None or base is BaseException:
        return None
    core = _CORES[base](value)
    if base is dict:
        return [dict(zip(core[::2], core[1::2], strict=True))]
    return core if base in {str, int, float} else [base(core)]


def ancestry(kind: type) -> list[str]:
    """The names of Python's own exceptions above a class, nearest first."""
    return [above.__name__ for above in kind.__mro__ if EXCEPTIONS.get(above.__name__) is above]


def exception_of(names: Any) -> type[BaseException]:
    """The nearest of Python's own exceptions.

    Raises:
        Malformed: there is none.
    """
    if type(names) is list:
        for name in names:
            if type(name) is str and name in EXCEPTIONS:
                return EXCEPTIONS[name]
    raise Malformed


def exception(kind: Any, names: Any, arguments: list[Any]) -> BaseException:
    """An exception as another process raised it.

    Args:
        kind: its class, where that is known here.
        names: the exceptions of Python's own above it.
        arguments: what it was made of.
    """
    nearest = exception_of(names)
    if isinstance(kind, type) and issubclass(kind, BaseException):
        error = kind.__new__(kind, *arguments)
        error.args = tuple(arguments)
        return error
    try:
        return nearest(*arguments)
    except TypeError:  # such as those of decoding, which take five
        return ValueError(*map(str, arguments))


def _base(kind: type) -> type | None:
    return next((base for base in _CORES if issubclass(kind, base)), None)


def _mutable(kind: type) -> bool:
    base = _base(kind)
    return base is None or base in _FILLED


def _of_the_library(kind: type) -> bool:
    module = sys.modules.get(kind.__module__)
    return getattr(module, kind.__name__, None) is kind
