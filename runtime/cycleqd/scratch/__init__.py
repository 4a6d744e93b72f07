"""Folders on this machine that live as long as the process that made them.

`scratch_folder` makes one and removes it; what killed processes left is swept by the next that
makes one in the same place. `cycleqd.scratch.removal` removes a folder whatever was done to it, for
the programs of the sandbox do what they like in theirs. Standard library only: the sandbox's
harness imports it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cycleqd.scratch.folder import ScratchFolder, scratch_folder

__all__ = ["ScratchFolder", "scratch_folder"]


def __getattr__(name: str) -> object:
    # The harness needs `removal` alone, and each program's fork copies what it has imported.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("cycleqd.scratch.folder"), name)
