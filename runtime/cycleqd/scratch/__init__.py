"""Folders on this machine that live as long as the process that made them.

`scratch_folder` makes one and removes it; what killed processes left is swept by the next that
makes one in the same place. `cycleqd.scratch.removal` removes a folder whatever was done to it, for
the programs of the sandbox do what they like in theirs. Standard library only: the sandbox's
harness imports it.
"""

from cycleqd.scratch.folder import ScratchFolder, scratch_folder

__all__ = ["ScratchFolder", "scratch_folder"]
