"""Kill a writer of a folder store at each line it executes, and look at what is left.

For n = 1, 2, ... a forked child creates one object and is killed by SIGKILL before the n-th line
of the store's own code, until a child gets through. After each death the store must be as if the
writer had never been or had finished. Prints the number of instants tried.

Usage: killed_writer.py FOLDER
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from cycleqd.store import folder as folder_module
from cycleqd.store import localfile as localfile_module
from cycleqd.store.folder import FolderStore

FILES = {folder_module.__file__, localfile_module.__file__}
CONTENT = b"0123456789" * 30_000

Trace = Callable[[FrameType, str, Any], Any]


def die_at(instant: int) -> Trace:
    left = instant

    def trace(frame: FrameType, event: str, _argument: object) -> Trace | None:
        nonlocal left
        if frame.f_code.co_filename not in FILES:
            return None
        if event == "line":
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    return trace


def write(root: Path, instant: int) -> bool:
    """Whether the child was killed."""
    child = os.fork()
    if child == 0:
        sys.settrace(die_at(instant))
        FolderStore(root).create("g/000001/plan.json", CONTENT)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def main() -> None:
    base = Path(sys.argv[1])
    instant, absent, present = 0, 0, 0
    killed = True
    while killed:
        instant += 1
        root = base / str(instant)
        killed = write(root, instant)
        store = FolderStore(root)
        exists = store.exists("g/000001/plan.json")
        assert list(store.list()) == (["g/000001/plan.json"] if exists else [])
        assert store.children("") == (["g"] if exists else [])
        assert store.children("g/") == (["000001"] if exists else [])
        if exists:
            present += 1
            assert store.read("g/000001/plan.json") == CONTENT
        else:
            absent += 1
        assert store.create("g/000001/plan.json", CONTENT) is not exists
        assert store.read("g/000001/plan.json") == CONTENT
        store.sweep(older_than=-1)
        assert list((root / ".tmp").iterdir()) == []
        assert store.read("g/000001/plan.json") == CONTENT
    assert present > 1, "no child was killed after the object was there"
    print(instant, absent, present)


main()
