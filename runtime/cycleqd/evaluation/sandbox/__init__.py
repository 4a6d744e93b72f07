"""Where generated code runs: a separate process that can reach nothing and leaves nothing behind.

`Sandbox` runs batches of `Program`s and returns a `Report` for each. What it promises, and what is
left where the machine gives less, is written down in ``docs/evaluation.md``; every promise has a
test that attacks it in ``tests/evaluation``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cycleqd.evaluation.sandbox.container import Container
    from cycleqd.evaluation.sandbox.programs import (
        Ended,
        Limits,
        Program,
        PythonProgram,
        Report,
        ShellProgram,
        SqlProgram,
        Status,
    )
    from cycleqd.evaluation.sandbox.requirement import check_containment
    from cycleqd.evaluation.sandbox.room import MOST_SLOTS
    from cycleqd.evaluation.sandbox.sandbox import Sandbox

# A harness imports parts of this package: whatever else was in it, each program's fork would copy.
_HOMES = {
    "MOST_SLOTS": "room",
    "Container": "container",
    "Ended": "programs",
    "Limits": "programs",
    "Program": "programs",
    "PythonProgram": "programs",
    "Report": "programs",
    "Sandbox": "sandbox",
    "ShellProgram": "programs",
    "SqlProgram": "programs",
    "Status": "programs",
    "check_containment": "requirement",
}

__all__ = [
    "MOST_SLOTS",
    "Container",
    "Ended",
    "Limits",
    "Program",
    "PythonProgram",
    "Report",
    "Sandbox",
    "ShellProgram",
    "SqlProgram",
    "Status",
    "check_containment",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
