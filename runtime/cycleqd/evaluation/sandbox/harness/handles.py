"""What stands in a judge's process for an object of the answer.

A handle does in the answer's process whatever is done with it, and gives back what comes of it:
data, or another handle. What decides a verdict stays here:

- A handle equals another handle if the answer says so, but never a value of the judge's; nor is it
  smaller or larger than one.
- Arithmetic with a value of the judge's gives a handle at most, so nothing can be told of the
  difference to an expected number but by asking for it.
- ``in`` goes through what the handle holds and compares here.
- A context manager suppresses no exception.

An object of a class below one of Python's own (a named tuple, a member of an ``IntEnum``) crosses
with its data, and compares as those do.
"""

# Values are whatever tests and answers make of them.
# ruff: noqa: ANN401

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, TypeVar

from cycleqd.evaluation.sandbox.harness.link import Link

_Found = TypeVar("_Found")

COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
BINARY = (
    *("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul"),
    *("and_", "or_", "xor", "lshift", "rshift"),
)
UNARY = ("neg", "pos", "invert", "abs")


class Handle:
    """An object of the answer.

    Args:
        link: the way to it.
        number: its number there.
    """

    __slots__ = ("__link", "__number")

    def __init__(self, link: Link, number: int) -> None:
        object.__setattr__(self, "_Handle__link", link)
        object.__setattr__(self, "_Handle__number", number)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call it in the answer's process."""
        return self.__link.request("call", self, *arguments, **named)

    def __getattr__(self, name: str) -> Any:
        return self.__link.request("getattr", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self.__link.request("setattr", self, name, value)

    def __delattr__(self, name: str) -> None:
        self.__link.request("delattr", self, name)

    def __getitem__(self, key: Any) -> Any:
        return self.__link.request("getitem", self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.__link.request("setitem", self, key, value)

    def __delitem__(self, key: Any) -> None:
        self.__link.request("delitem", self, key)

    def __iter__(self) -> Iterator[Any]:
        found: Iterator[Any] = self.__link.request("iter", self)
        return found

    def __next__(self) -> Any:
        return self.__link.request("next", self)

    def __reversed__(self) -> Any:
        return self.__link.request("reversed", self)

    def __contains__(self, value: Any) -> bool:
        return any(value is part or value == part for part in self)

    def __len__(self) -> int:
        return self.__exact("len", int)

    def __hash__(self) -> int:
        return self.__exact("hash", int)

    def __bool__(self) -> bool:
        return self.__exact("bool", bool)

    def __str__(self) -> str:
        return self.__exact("str", str)

    def __repr__(self) -> str:
        return self.__exact("repr", str)

    def __format__(self, form: str) -> str:
        return self.__exact("format", str, form)

    def __dir__(self) -> Any:
        return self.__link.request("dir", self)

    def __enter__(self) -> Any:
        return self.__link.request("enter", self)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.__link.request("exit", self, kind, None, None)

    def __instancecheck__(self, value: Any) -> bool:
        return isinstance(value, Handle) and self.__exact("isinstance", bool, value)

    def __subclasscheck__(self, kind: Any) -> bool:
        return isinstance(kind, Handle) and self.__exact("issubclass", bool, kind)

    def __exact(self, operation: str, kind: type[_Found], *arguments: Any) -> _Found:
        found = self.__link.request(operation, self, *arguments)
        if type(found) is not kind:
            raise TypeError(f"{operation} returned no {kind.__name__}")
        exact: _Found = found
        return exact


class Data(Handle):
    """An object of the answer that holds data of one of Python's own types.

    Args:
        link: the way to it.
        number: its number there.
        value: the data.
    """

    __slots__ = ("__value",)

    def __init__(self, link: Link, number: int, value: Any) -> None:
        super().__init__(link, number)
        object.__setattr__(self, "_Data__value", value)


def handle(link: Link, number: int, data: list[Any]) -> Handle:
    """A handle of an object, with the data that it stands for, if any."""
    return Data(link, number, data[0]) if data else Handle(link, number)


def number_of(value: Any) -> int | None:
    """The number of a handle's object, None for anything else."""
    if type(value) is Handle or type(value) is Data:
        number: int = object.__getattribute__(value, "_Handle__number")
        return number
    return None


def _data(value: Any) -> Any:
    return object.__getattribute__(value, "_Data__value") if type(value) is Data else value


def _comparison(name: str) -> Callable[[Any, Any], Any]:
    def compare(self: Any, other: Any) -> Any:
        if not isinstance(other, Handle):
            return NotImplemented
        return self._Handle__exact(name, bool, other)

    return compare


def _arithmetic(name: str, *, swapped: bool) -> Callable[[Any, Any], Any]:
    def compute(self: Any, other: Any) -> Any:
        pair = (other, self) if swapped else (self, other)
        return _none_told(self._Handle__link.request(name, *pair), isinstance(other, Handle))

    return compute


def _unary(name: str) -> Callable[[Any], Any]:
    return lambda self: _none_told(self._Handle__link.request(name, self), False)


def _none_told(found: Any, among_handles: bool) -> Any:
    if among_handles or isinstance(found, Handle):
        return found
    raise TypeError("arithmetic of an answer's object and a number gives no number")


def _with_data(function: Callable[..., Any], *, swapped: bool = False) -> Callable[..., Any]:
    def compute(self: Any, *others: Any) -> Any:
        arguments = [_data(self), *map(_data, others)]
        return function(*(reversed(arguments) if swapped else arguments))

    return compute


def _complete() -> None:
    """Give both classes their operators."""
    for name in COMPARISONS:
        setattr(Handle, f"__{name}__", _comparison(name))
        setattr(Data, f"__{name}__", _with_data(getattr(operator, name)))
    for name in BINARY:
        bare = name.rstrip("_")
        for swapped in (False, True):
            method = f"__r{bare}__" if swapped else f"__{bare}__"
            setattr(Handle, method, _arithmetic(name, swapped=swapped))
            setattr(Data, method, _with_data(getattr(operator, name), swapped=swapped))
    for name in UNARY:
        setattr(Handle, f"__{name}__", _unary(name))
        setattr(Data, f"__{name}__", _with_data(getattr(operator, name)))
    for name, function in (
        *(("hash", hash), ("len", len), ("iter", iter), ("bool", bool), ("int", int)),
        *(("float", float), ("index", operator.index), ("contains", operator.contains)),
        *(("getitem", operator.getitem), ("round", round)),
    ):
        setattr(Data, f"__{name}__", _with_data(function))


_complete()
