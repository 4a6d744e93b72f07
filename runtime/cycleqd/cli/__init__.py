"""The command line: ``cycleqd``.

Commands are thin; each calls one part of the package and prints. Every ending has a sentence on
standard error and a status: errors of the tree in `cycleqd.errors` their own, what the operating
system says those of the store, and what nobody foresaw is a fault of ours (70).
"""

from cycleqd.cli.app import app
from cycleqd.cli.ending import main

__all__ = ["app", "main"]
