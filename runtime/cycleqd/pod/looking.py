"""Newcomers looked at beside the run: fetching checkpoints takes minutes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

from cycleqd.manifest.curriculum import Arrival
from cycleqd.records.documents import Split
from cycleqd.run.continuation import AdmitNewcomers, Newcomers
from cycleqd.run.revision import Revision


class StillLooking(Exception):
    """What is asked for is not known yet, which is no error: ask the same again later."""


class LookBeside:
    """An `AdmitNewcomers` that looks in a thread of its own, one question at a time.

    The thread shares nothing that changes: revisions and manifests are values, and what it opens is
    its own. It ends with the process, which does not wait for it: what it was about to store is
    stored by the next one that is asked.

    Args:
        open_desk: makes what looks; called in the thread.
    """

    def __init__(self, open_desk: Callable[[], AdmitNewcomers]) -> None:
        self._open_desk = open_desk
        self._look: _Look | None = None

    def __call__(
        self,
        current: Revision,
        arrived: Sequence[Arrival],
        items: Mapping[str, frozenset[Split]],
    ) -> Sequence[Newcomers]:
        """See `AdmitNewcomers`.

        Raises:
            StillLooking: the answer is not known yet.
            InputError: somebody cannot join.
            StoreError: a store failed.
        """
        look = self._look
        if look is None:
            look = self._look = _Look(self._open_desk, current, arrived, items)
            look.start()
        if look.is_alive():
            raise StillLooking
        self._look = None
        if not look.is_for(current, arrived, items):
            return self(current, arrived, items)
        if look.error is not None:
            raise look.error
        return look.found


class _Look(threading.Thread):
    """One look, until it has an answer or an error."""

    def __init__(
        self,
        open_desk: Callable[[], AdmitNewcomers],
        current: Revision,
        arrived: Sequence[Arrival],
        items: Mapping[str, frozenset[Split]],
    ) -> None:
        super().__init__(name="newcomers", daemon=True)
        self._open_desk = open_desk
        self._current = current
        self._arrived = arrived
        self._items = items
        self.found: Sequence[Newcomers] = ()
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self.found = self._open_desk()(self._current, self._arrived, self._items)
        except Exception as error:  # noqa: BLE001 - raised where the answer is asked for
            self.error = error

    def is_for(
        self,
        current: Revision,
        arrived: Sequence[Arrival],
        items: Mapping[str, frozenset[Split]],
    ) -> bool:
        """Whether it looks at these newcomers of this revision."""
        asked = (self._current.number, list(self._arrived), dict(self._items))
        return asked == (current.number, list(arrived), dict(items))
