"""Writes a run's status: the only writer, on change alone, and not too often.

A run of thousands of evaluations changes its counters all the time; the API server should not hear
of each. Counters wait until `Settings.status_interval_seconds` have passed since the last write; a
condition whose status or reason changed is news and goes out at once.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from cycleqd_operator.api.status import RunStatus
from cycleqd_operator.control.work_queue import RunKey
from cycleqd_operator.kube.cluster import ApiError, Cluster
from cycleqd_operator.kube.objects import Json, status

STALE_SECONDS = 1.0


@dataclass(frozen=True)
class Written:
    """What became of a status.

    Attributes:
        run: the run as it now is; None where nothing was written.
        wait_seconds: when to try again because it was too early; None where nothing is left.
    """

    run: Json | None = None
    wait_seconds: float | None = None


class StatusWriter:
    """Writes statuses to a cluster.

    Args:
        cluster: the API server.
        interval_seconds: least time between two writes of a run.
    """

    def __init__(self, cluster: Cluster, interval_seconds: float) -> None:
        self._cluster = cluster
        self._interval = interval_seconds
        self._written: dict[RunKey, float] = {}

    async def write(self, key: RunKey, run: Json, wanted: RunStatus) -> Written:
        """Write a status if it is due.

        Args:
            key: which run.
            run: the run as it was seen.
            wanted: its whole status.

        Raises:
            ApiError: it was not written.
        """
        present = status(run)
        patch = merge_patch(present, to_json(wanted))
        if not patch:
            return Written()
        now = asyncio.get_running_loop().time()
        due = self._written.get(key, float("-inf")) + self._interval
        if now < due and not is_news(present, wanted):
            return Written(wait_seconds=due - now)
        try:
            stored = await self._cluster.patch_status(run, patch)
        except ApiError as error:
            if error.status in {404, 409}:
                # The run has changed or gone since it was seen; the watch is about to tell.
                return Written(wait_seconds=STALE_SECONDS)
            raise
        self._written[key] = now
        return Written(run=stored)

    def forget(self, key: RunKey) -> None:
        """Drop what is known of a run that is gone."""
        self._written.pop(key, None)


def to_json(wanted: RunStatus) -> Json:
    """A status as the API server stores it."""
    found: Json = wanted.model_dump(mode="json", by_alias=True, exclude_none=True)
    return found


def is_news(present: Json, wanted: RunStatus) -> bool:
    """Whether a condition has another status or reason than at present, or is new."""
    seen = {
        condition["type"]: (condition["status"], condition["reason"])
        for condition in present.get("conditions") or ()
    }
    return seen != {found.type: (found.status, found.reason) for found in wanted.conditions}


def merge_patch(present: Json, wanted: Json) -> Json:
    """The RFC 7386 merge patch that turns one object into another; empty where they are equal."""
    patch: Json = {key: None for key in present if key not in wanted}
    for key, value in wanted.items():
        before = present.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            inner = merge_patch(before, value)
            if inner:
                patch[key] = inner
        elif before != value or key not in present:
            patch[key] = value
    return patch
