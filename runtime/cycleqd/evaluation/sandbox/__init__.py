"""Where generated code runs: a separate process that can reach nothing and leaves nothing behind.

`Sandbox` runs batches of `Program`s and returns a `Report` for each. What it promises, and what is
left where the machine gives less, is written down in ``docs/evaluation.md``; every promise has a
test that attacks it in ``tests/evaluation``.
"""

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
