"""The answer's process: runs setup and answer, then does what the judge asks of its objects.

Nothing here is trusted: the answer may change all of it. What it changes is its own process alone;
it never sees the tests, and neither did the process that it was forked from.
"""

# Values are whatever tests and answers make of them.
# ruff: noqa: ANN401

from __future__ import annotations

import builtins
import operator
import threading
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any, NoReturn

from cycleqd.evaluation.sandbox.harness import handles, setups
from cycleqd.evaluation.sandbox.harness.link import MODULE
from cycleqd.evaluation.sandbox.harness.plain import Packer, Unpacker
from cycleqd.evaluation.sandbox.harness.setups import Setup
from cycleqd.evaluation.sandbox.harness.wire import Wire

Operation = Callable[..., Any]

_OPERATIONS: dict[str, Operation] = {
    "call": lambda function, *arguments, **named: function(*arguments, **named),
    "getattr": getattr,
    "setattr": setattr,
    "delattr": delattr,
    "getitem": operator.getitem,
    "setitem": operator.setitem,
    "delitem": operator.delitem,
    "iter": iter,
    "next": next,
    "reversed": reversed,
    "len": len,
    "hash": hash,
    "bool": bool,
    "str": str,
    "repr": repr,
    "format": format,
    "dir": dir,
    "enter": lambda manager: type(manager).__enter__(manager),
    "exit": lambda manager, *error: type(manager).__exit__(manager, *error),
    "isinstance": lambda kind, value: isinstance(value, kind),
    "issubclass": lambda kind, value: issubclass(value, kind),
    **{name: getattr(operator, name) for name in handles.COMPARISONS},
    **{name: getattr(operator, name) for name in handles.BINARY},
    **{name: getattr(operator, name) for name in handles.UNARY},
}


class Remote:
    """An object of the tests that an answer may go through, or read.

    Args:
        ask: asks the judge.
        place: the object's number there.
    """

    def __init__(self, ask: Operation, place: int) -> None:
        self._ask = ask
        self._place = place

    def __iter__(self) -> Any:
        return self._ask(self._place, "iter")

    def __next__(self) -> Any:
        return self._ask(self._place, "next")

    def __getattr__(self, name: str) -> Any:
        if name[:1] == "_":
            raise AttributeError(name)
        return self._ask(self._place, "get", name)

    def __str__(self) -> str:
        return str(self._ask(self._place, "str"))


class RemoteFunction(Remote):
    """One that it may call, too."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call it in the judge's process."""
        return self._ask(self._place, "call", *arguments, named)


class Answering:
    """Serves the judge.

    Args:
        wire: the pipes to it.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._namespace: dict[str, Any] = {"__name__": MODULE, "__builtins__": builtins}
        self._setup = Setup({}, trusting=True)
        self._objects: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._remote: dict[int, Remote] = {}
        self._turn = threading.RLock()
        self._operations: dict[str, Operation] = {
            **_OPERATIONS,
            "run": self._run,
            "names": self._values,
        }

    def serve(self) -> NoReturn:
        """Do what the judge asks until it is gone."""
        while True:
            self._do(self._wire.receive())

    def _do(self, message: Any) -> None:
        operation, packed, packed_named = message
        unpacker = Unpacker(self._unpack_other)
        arguments = unpacker.items(packed, 0)
        named = {name: unpacker.unpack(value) for name, value in packed_named.items()}
        shared = unpacker.shared
        before = [setups.snapshot(value) for value in shared]
        try:
            outcome = self._operations[operation](*arguments, **named)
            error = None
        except BaseException as raised:  # noqa: BLE001  # the judge's to catch
            error = raised
        packer = Packer(self._pack_other, {id(value): n for n, value in enumerate(shared)})
        changes = []
        for number, (value, old) in enumerate(zip(shared, before, strict=True)):
            new = setups.snapshot(value)
            if not setups.unchanged(old, new):
                changes.append([number, *(packer.items(part, 0) for part in new)])
        if error is None:
            self._wire.send(["ok", packer.pack(outcome), changes])
            return
        kind = packer.pack(type(error))
        names = setups.ancestry(type(error))
        self._wire.send(["raise", kind, names, packer.items(error.args, 0), changes])

    def _run(self, setup: str, code: str) -> list[Any]:
        """Run setup and answer; the names that the answer has bound.

        And those among them that are modules, with their names there, and the functions: most tests
        ask for nothing else.
        """
        steps = [
            compile(source, name, "exec", dont_inherit=True)
            for source, name in ((setup, "<setup>"), (code, "<completion>"))
        ]
        exec(steps[0], self._namespace)  # noqa: S102  # what the process is for
        self._setup = Setup(self._namespace, trusting=True)
        exec(steps[1], self._namespace)  # noqa: S102
        before, absent = self._setup.names, object()
        names = [
            name
            for name, value in self._namespace.items()
            if type(name) is str and before.get(name, absent) is not value
        ]
        modules = {
            name: self._namespace[name].__name__
            for name in names
            if isinstance(self._namespace[name], ModuleType)
        }
        functions = {
            name: self._namespace[name]
            for name in names
            if type(self._namespace[name]) is FunctionType
        }
        return [names, modules, functions]

    def _values(self, names: list[str]) -> list[Any]:
        return [self._namespace[name] for name in names]

    def _question(self, place: int, operation: str, *arguments: Any) -> Any:
        """Ask the judge for something, and serve it meanwhile."""
        with self._turn:
            packer = Packer(self._pack_other, {})
            self._wire.send(["ask", place, operation, packer.items(arguments, 0)])
            while True:
                reply = self._wire.receive()
                if reply[0] in {"ok", "raise"}:
                    break
                self._do(reply)
        unpacker = Unpacker(self._unpack_other)
        if reply[0] == "ok":
            return unpacker.unpack(reply[1])
        _, kind, names, packed = reply
        raise setups.exception(unpacker.unpack(kind), names, unpacker.items(packed, 0))

    def _pack_other(self, packer: Packer, value: Any, depth: int) -> Any:
        if isinstance(value, Remote):
            return {"c": value._place}  # noqa: SLF001  # of an object that may have any attribute
        packed = self._setup.pack(packer, value, depth)
        if packed is not None:
            return packed
        number = self._numbers.get(id(value))
        if number is None:
            number = self._numbers[id(value)] = len(self._objects)
            self._objects.append(value)
        if isinstance(value, type):
            names = setups.ancestry(value)
            return {"h": [number, "error", [value.__name__, *names]] if names else number}
        data = setups.data_of(value)
        if data is not None:
            return {"h": [number, "data", packer.pack(data[0], depth + 1)]}
        return {"h": number}

    def _unpack_other(self, unpacker: Unpacker, letter: str, inner: Any, depth: int) -> Any:
        if letter == "h":
            return self._objects[inner]
        if letter != "c":
            return self._setup.unpack(unpacker, letter, inner, depth)
        place, called = inner
        found = self._remote.get(place)
        if found is None:
            kind = RemoteFunction if called else Remote
            found = self._remote[place] = kind(self._question, place)
        return found
