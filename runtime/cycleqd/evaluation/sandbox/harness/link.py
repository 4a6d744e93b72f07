"""The judge's way to the answer's process: one request, one reply, and callbacks in between.

Everything that comes back is hostile. A reply is a value or an exception by `plain` and `setups`,
or a handle; what is neither ends the judge, and with it the verdict: failed. A callback may call
what the tests gave to the answer, go through it, and read public data of objects of the tests' own
classes; no way leads from there to a frame, a module or a global of the judge.
"""

# Values are whatever tests and answers make of them.
# ruff: noqa: ANN401

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from cycleqd.evaluation.sandbox.harness import setups
from cycleqd.evaluation.sandbox.harness.plain import Malformed, Packer, Unpackable, Unpacker
from cycleqd.evaluation.sandbox.harness.setups import Setup
from cycleqd.evaluation.sandbox.harness.wire import Wire

MOST_HANDLES = 1 << 20
MODULE = "solution"
"""The name of the module that setup, answer and tests believe to be in."""

_MALFORMED = (Malformed, TypeError, ValueError, LookupError, AttributeError, ArithmeticError)
_EXHAUSTED = (RecursionError, MemoryError)


class Link:
    """Requests to the answer's process.

    Args:
        wire: the pipes.
        setup: what the setup defines.
        handle: makes a handle of a link, a number, and the data that it stands for, if any.
        number_of: the number of a handle, None for anything else.
    """

    def __init__(
        self,
        wire: Wire,
        setup: Setup,
        handle: Callable[[Link, int, list[Any]], Any],
        number_of: Callable[[Any], int | None],
    ) -> None:
        self._wire = wire
        self._setup = setup
        self._handle = handle
        self._number_of = number_of
        self._handles: dict[int, Any] = {}
        self._errors: dict[int, int] = {}
        self._callbacks: list[Any] = []
        self._places: dict[int, int] = {}
        self._turn = threading.RLock()

    def request(self, operation: str, *arguments: Any, **named: Any) -> Any:
        """Let the answer's process do something.

        Raises:
            BaseException: what the answer raised.
        """
        with self._turn:
            packer = Packer(self._pack_other)
            try:
                packed = packer.items(arguments, 0)
                packed_named = {name: packer.pack(value) for name, value in named.items()}
            except Unpackable:
                self._wire.broken()
            self._wire.send([operation, packed, packed_named])
            while True:
                reply = self._wire.receive()
                try:
                    kind, *rest = reply
                    if kind != "ask":
                        outcome = self._outcome(packer.shared, kind, *rest)
                        break
                    question = self._question(*rest)
                except (*_MALFORMED, *_EXHAUSTED):
                    self._wire.broken()
                self._wire.send(self._reply(*question))
        if kind == "raise":
            raise outcome
        return outcome

    def _outcome(self, shared: list[Any], kind: str, *rest: Any) -> Any:
        """The value or the exception of a reply, with the changes that it tells made."""
        *parts, changes = rest
        unpacker = Unpacker(self._unpack_other, shared)
        for number, core, attributes in changes:
            self._setup.refill(
                shared[range(len(shared))[number]],
                unpacker.items(core, 0),
                unpacker.items(attributes, 0),
            )
        if kind == "ok":
            (packed,) = parts
            return unpacker.unpack(packed)
        if kind != "raise":
            raise Malformed
        packed_class, names, arguments = parts
        known = unpacker.unpack(packed_class)
        return setups.exception(known, names, unpacker.items(arguments, 0))

    def _question(self, number: int, operation: str, packed: Any) -> tuple[Any, Any, list[Any]]:
        arguments = Unpacker(self._unpack_other, []).items(packed, 0)
        return self._callbacks[range(len(self._callbacks))[number]], operation, arguments

    def _reply(self, target: Any, operation: str, arguments: list[Any]) -> list[Any]:
        """What comes of a callback."""
        packer = Packer(self._pack_other)
        try:
            return ["ok", packer.pack(_ask(target, operation, arguments))]
        except Unpackable:
            self._wire.broken()
        except BaseException as error:  # noqa: BLE001  # the answer's to catch, as any other
            names = setups.ancestry(type(error))
            try:
                kind = self._setup.pack(packer, type(error), 0)
                return ["raise", kind, names, packer.items(error.args, 0)]
            except Unpackable:
                return ["raise", None, names, []]

    def _pack_other(self, packer: Packer, value: Any, depth: int) -> Any:
        number = self._number_of(value)
        if number is None:
            number = self._errors.get(id(value))
        if number is not None:
            return {"h": number}
        packed = self._setup.pack(packer, value, depth)
        if packed is not None:
            return packed
        place = self._places.get(id(value))
        if place is None:
            place = self._places[id(value)] = len(self._callbacks)
            self._callbacks.append(value)
        return {"c": [place, callable(value)]}

    def _unpack_other(self, unpacker: Unpacker, letter: str, inner: Any, depth: int) -> Any:
        if letter == "c":
            return self._callbacks[range(len(self._callbacks))[inner]]
        if letter != "h":
            return self._setup.unpack(unpacker, letter, inner, depth)
        number, kind, more = [inner, None, []] if type(inner) is int else inner
        if type(number) is not int or not 0 <= number < MOST_HANDLES:
            raise Malformed
        found = self._handles.get(number)
        if found is None:
            if kind == "error":
                nearest = setups.exception_of(more[1:])
                found = type(str(more[0]), (nearest,), {"__module__": MODULE})
                self._errors[id(found)] = number
            else:
                data = [] if kind is None else [unpacker.unpack(more, depth + 1)]
                found = self._handle(self, number, data)
            self._handles[number] = found
        elif kind == "data":
            # Its content may be another one by now.
            found = self._handle(self, number, [unpacker.unpack(more, depth + 1)])
        return found


def _ask(target: Any, operation: str, arguments: list[Any]) -> Any:
    """Do what an answer asks of an object that the tests gave to it."""
    own = type(target).__module__ == MODULE
    if operation == "call" and callable(target):
        named = arguments.pop()
        return target(*arguments, **named)
    if operation == "iter":
        return iter(target)
    if operation == "next":
        return next(target)
    if operation == "get" and own and type(arguments[0]) is str and arguments[0][:1] != "_":
        return getattr(target, arguments[0])
    if operation == "str" and own:
        return str(target)
    raise TypeError(f"the tests' object does not support {str(operation)[:20]!r}")
