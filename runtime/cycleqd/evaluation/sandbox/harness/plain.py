"""Plain data as JSON and back: what crosses between a Python answer and its judge by value.

Scalars and lists are themselves, all else is an object with one letter::

    I integer of many digits   C complex       B bytes      Y bytearray   T tuple
    S set                      F frozenset     D dict       R range       W view of a dict
    X value of the standard library (numbers, dates, counters and the like)
    s list, dict, set or object of the call's arguments, by its number

Only exact types cross: of a subclass, equality is what its author likes. Lists, dicts and sets in
the arguments of a call are numbered as they are met, so that the other end can tell which of them
have changed, and return one instead of its content.
"""

# Values are whatever tests and answers make of them.
# ruff: noqa: ANN401

from __future__ import annotations

import datetime as dt
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any

MOST_DEPTH = 100
"""How deep values may be nested."""

_SCALARS = frozenset({type(None), bool, float, str})
_BIG = 1 << 1024
_VIEWS: dict[type, str] = {
    type({}.keys()): "keys",
    type({}.values()): "values",
    type({}.items()): "items",
}
_DICTS: dict[type, str] = {Counter: "Counter", OrderedDict: "OrderedDict"}
_TIMES: dict[Any, str] = {
    dt.date: "date",
    dt.time: "time",
    dt.datetime: "datetime",
}


class Unpackable(Exception):
    """A value is too deep to cross."""


class Malformed(Exception):
    """What came is no value."""


class Packer:
    """Makes JSON of values.

    Args:
        other: makes JSON of a value that is not plain, at a depth.
        numbers: numbers of the containers that the other end has, by their `id`; without,
            containers are numbered as they are met.
    """

    def __init__(
        self, other: Callable[[Packer, Any, int], Any], numbers: dict[int, int] | None = None
    ) -> None:
        self.other = other
        self._numbering = numbers is None
        self._numbers: dict[int, int] = {} if numbers is None else numbers
        self.shared: list[Any] = []

    def known(self, value: Any) -> Any:
        """The reference to a container that the other end has, else None; numbers it if need be."""
        number = self._numbers.get(id(value))
        if number is not None:
            return {"s": number}
        if self._numbering:
            self._numbers[id(value)] = len(self.shared)
            self.shared.append(value)
        return None

    def pack(self, value: Any, depth: int = 0) -> Any:
        """JSON for a value.

        Raises:
            Unpackable: it is too deep.
        """
        kind = type(value)
        if kind in _SCALARS:
            return value
        if kind is int:
            return value if -_BIG < value < _BIG else {"I": hex(value)}
        if depth > MOST_DEPTH:
            raise Unpackable
        packed = _PACKED.get(kind)
        if packed is None:
            return self.other(self, value, depth)
        if kind in MUTABLE:
            known = self.known(value)
            if known is not None:
                return known
        return packed(self, value, depth)

    def items(self, values: Iterable[Any], depth: int) -> list[Any]:
        """JSON for each of some values, which stand within one at a depth."""
        values = list(values)
        kinds = set(map(type, values))
        if kinds <= _SCALARS or (kinds == {int} and min(values) > -_BIG and max(values) < _BIG):
            return values
        return [self.pack(value, depth + 1) for value in values]


def flat(mapping: Any) -> list[Any]:
    """Keys and values of a mapping in turn."""
    kind = OrderedDict if isinstance(mapping, OrderedDict) else dict
    return [part for pair in kind.items(mapping) for part in pair]


def content(value: Any) -> list[Any]:
    """What a numbered container holds, in the form that `restore` takes."""
    return flat(value) if isinstance(value, dict) else list(value)


def restore(value: Any, parts: list[Any]) -> None:
    """Give a numbered container another content, unpacked already."""
    if isinstance(value, OrderedDict):
        OrderedDict.clear(value)
        OrderedDict.update(value, _pairs(parts))
    elif isinstance(value, dict):
        dict.clear(value)
        dict.update(value, _pairs(parts))
    elif isinstance(value, set):
        set.clear(value)
        set.update(value, parts)
    elif isinstance(value, deque):
        value.clear()
        value.extend(parts)
    else:
        value[:] = parts


def _pairs(parts: list[Any]) -> dict[Any, Any]:
    return dict(zip(parts[::2], parts[1::2], strict=True))


def _pack_time(packer: Packer, value: Any, depth: int) -> Any:
    zone = getattr(value, "tzinfo", None)
    if zone is not None and type(zone) is not dt.timezone:
        return packer.other(packer, value, depth)
    return {"X": [_TIMES[type(value)], value.isoformat()]}


_PACKED: dict[type, Callable[[Packer, Any, int], Any]] = {
    list: lambda p, v, d: p.items(v, d),
    tuple: lambda p, v, d: {"T": p.items(v, d)},
    complex: lambda p, v, d: {"C": [v.real, v.imag]},
    bytes: lambda p, v, d: {"B": v.hex()},
    bytearray: lambda p, v, d: {"Y": v.hex()},
    set: lambda p, v, d: {"S": p.items(v, d)},
    frozenset: lambda p, v, d: {"F": p.items(v, d)},
    dict: lambda p, v, d: {"D": p.items(flat(v), d)},
    range: lambda p, v, d: {"R": [v.start, v.stop, v.step]},
    deque: lambda p, v, d: {"X": ["deque", v.maxlen, p.items(v, d)]},
    defaultdict: lambda p, v, d: {
        "X": ["defaultdict", p.pack(v.default_factory, d + 1), p.items(flat(v), d)]
    },
    Decimal: lambda p, v, d: {"X": ["Decimal", str(v)]},
    Fraction: lambda p, v, d: {"X": ["Fraction", hex(v.numerator), hex(v.denominator)]},
    dt.timedelta: lambda p, v, d: {"X": ["timedelta", v.days, v.seconds, v.microseconds]},
    **dict.fromkeys(_TIMES, _pack_time),
    **{kind: lambda p, v, d: {"X": [_DICTS[type(v)], p.items(flat(v), d)]} for kind in _DICTS},
    **{kind: lambda p, v, d: {"W": [_VIEWS[type(v)], p.items(v, d)]} for kind in _VIEWS},
}
MUTABLE = frozenset({list, dict, set, bytearray, deque, defaultdict, *_DICTS})


class Unpacker:
    """Makes values of JSON.

    Args:
        other: makes a value of what is not plain: its letter and what stands behind it.
        shared: the containers that the other end may name; without, those that are met are
            numbered.
    """

    def __init__(
        self,
        other: Callable[[Unpacker, str, Any, int], Any],
        shared: list[Any] | None = None,
    ) -> None:
        self._other = other
        self._numbering = shared is None
        self.shared: list[Any] = [] if shared is None else shared

    def number(self, value: Any) -> Any:
        """Number a container, before its content is unpacked."""
        if self._numbering:
            self.shared.append(value)
        return value

    def unpack(self, packed: Any, depth: int = 0) -> Any:
        """The value.

        Raises:
            Malformed: there is none.
        """
        kind = type(packed)
        if kind in _SCALARS or kind is int:
            return packed
        if depth > MOST_DEPTH:
            raise Malformed
        if kind is list:
            found = self.number([])
            found += self.items(packed, depth)
            return found
        if kind is not dict or len(packed) != 1:
            raise Malformed
        ((letter, inner),) = packed.items()
        known = _UNPACKED.get(letter)
        if known is None:
            return self._other(self, letter, inner, depth)
        try:
            return known(self, inner, depth)
        except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
            raise Malformed from error

    def items(self, packed: Any, depth: int) -> list[Any]:
        """The values of a list of JSON."""
        if type(packed) is not list:
            raise Malformed
        if _PLAIN.issuperset(map(type, packed)):
            return packed
        return [self.unpack(part, depth + 1) for part in packed]

    def filled(self, value: Any, packed: Any, depth: int) -> Any:
        """A numbered container with its content."""
        restore(self.number(value), self.items(packed, depth))
        return value


def _view(unpacker: Unpacker, inner: Any, depth: int) -> Any:
    parts = unpacker.items(inner[1], depth)
    if inner[0] == "keys":
        return dict.fromkeys(parts).keys()
    return dict(enumerate(parts)).values() if inner[0] == "values" else dict(parts).items()


def _of_the_library(unpacker: Unpacker, inner: Any, depth: int) -> Any:
    name, *rest = inner
    if name == "deque":
        return unpacker.filled(deque(maxlen=rest[0]), rest[1], depth)
    if name == "defaultdict":
        found = unpacker.number(defaultdict())
        found.default_factory = unpacker.unpack(rest[0], depth + 1)
        restore(found, unpacker.items(rest[1], depth))
        return found
    if name in _DICTS.values():
        return unpacker.filled(_named(_DICTS, name)(), rest[0], depth)
    return _EXACT[name](*rest)


def _named(kinds: dict[type, str], name: object) -> Any:
    return next(kind for kind, known in kinds.items() if known == name)


_EXACT: dict[str, Callable[..., Any]] = {
    "Decimal": lambda text: Decimal(str(text)),
    "Fraction": lambda *parts: Fraction(*(int(part, 16) for part in parts)),
    "timedelta": dt.timedelta,
    **{name: kind.fromisoformat for kind, name in _TIMES.items()},
}
_UNPACKED: dict[str, Callable[[Unpacker, Any, int], Any]] = {
    "I": lambda u, i, d: int(i, 16),
    "C": lambda u, i, d: complex(*map(float, i)),
    "B": lambda u, i, d: bytes.fromhex(i),
    "Y": lambda u, i, d: u.number(bytearray(bytes.fromhex(i))),
    "T": lambda u, i, d: tuple(u.items(i, d)),
    "S": lambda u, i, d: u.filled(set(), i, d),
    "F": lambda u, i, d: frozenset(u.items(i, d)),
    "D": lambda u, i, d: u.filled({}, i, d),
    "R": lambda u, i, d: range(*i),
    "W": _view,
    "X": _of_the_library,
    "s": lambda u, i, d: u.shared[range(len(u.shared))[i]],
}
_PLAIN = frozenset({*_SCALARS, int})
