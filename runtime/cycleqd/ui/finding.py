"""Where the runs below a folder or prefix are, without listing what they hold.

A run is a folder with a ``run.json``; nothing below one is looked at. A run that was found stays
found, so a look at a prefix of a hundred runs is a listing of a hundred names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cycleqd.errors import StoreCorrupt
from cycleqd.records import keys

if TYPE_CHECKING:
    from cycleqd.store.base import ObjectStore

DEEPEST = 3
"""Folders between the prefix and a run, its own included: ``team/experiment/run``."""

MOST_RUNS = 1000
MOST_FOLDERS = 1000
"""That hold no run themselves and are looked into: a prefix of other things is not searched."""

SEPARATOR = ":"
"""Stands for ``/`` in a run's id, which is one segment of an address; no key contains it."""


@dataclass(frozen=True)
class Found:
    """The runs of a prefix.

    Attributes:
        paths: folders of runs relative to the prefix, sorted; an empty one is the prefix itself.
        cut: whether more folders were there than were looked at.
    """

    paths: tuple[str, ...]
    cut: bool


def id_of(path: str) -> str:
    """What a run is called in addresses, by its folder; the prefix itself has no name."""
    return path.replace("/", SEPARATOR) or "run"


class Finder:
    """Looks for runs.

    Args:
        store: of the prefix.
        side_by_side: applies a function to many values at once, as `map` does.
    """

    def __init__(
        self,
        store: ObjectStore,
        side_by_side: Callable[[Callable[[str], bool], list[str]], Iterable[bool]] = map,
    ) -> None:
        self._store = store
        self._each = side_by_side
        self._runs: set[str] = set()

    def find(self) -> Found:
        """Look once more.

        Raises:
            StoreError: the store failed.
        """
        if self._is_run(""):
            return Found(("",), cut=False)
        folders, opened = [""], 0
        paths: list[str] = []
        for _ in range(DEEPEST):
            deeper: list[str] = []
            for folder in folders:
                opened += 1
                if opened > MOST_FOLDERS or len(paths) >= MOST_RUNS:
                    return Found(tuple(sorted(paths)[:MOST_RUNS]), cut=True)
                below = [f"{folder}{name}" for name in self._store.children(folder)]
                for path, is_run in zip(below, self._each(self._is_run, below), strict=True):
                    if is_run:
                        paths.append(path)
                    else:
                        deeper.append(f"{path}/")
            folders = deeper
        return Found(tuple(sorted(paths)), cut=False)

    def _is_run(self, path: str) -> bool:
        if path in self._runs:
            return True
        try:
            found = self._store.exists(f"{path}/{keys.RUN}".lstrip("/"))
        except StoreCorrupt:  # something else of that name
            return False
        if found:
            self._runs.add(path)
        return found
