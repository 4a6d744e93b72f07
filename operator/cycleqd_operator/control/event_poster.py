"""Posts events for users in the background: telling must never hold up doing.

Events wait in a bounded queue; where the API server does not take them they are counted and
dropped, as a reader of `kubectl describe` can do without, and the status says the same.
"""

from __future__ import annotations

import asyncio
import logging

from cycleqd_operator.kube.actions import Event
from cycleqd_operator.kube.cluster import ApiError, Cluster
from cycleqd_operator.kube.objects import Json
from cycleqd_operator.metrics import Metrics

log = logging.getLogger(__name__)

WAITING = 1000


class EventPoster:
    """Takes events at once and posts them one after the other.

    Args:
        cluster: the API server.
        metrics: counts what was lost.
    """

    def __init__(self, cluster: Cluster, metrics: Metrics) -> None:
        self._cluster = cluster
        self._metrics = metrics
        self._waiting: asyncio.Queue[tuple[Json, Event]] = asyncio.Queue(WAITING)

    def post(self, run: Json, event: Event) -> None:
        """Take an event about a run; never blocks."""
        try:
            self._waiting.put_nowait((run, event))
        except asyncio.QueueFull:
            self._metrics.events_lost.inc()

    async def run(self) -> None:
        """Post what was taken, for ever."""
        while True:
            run, event = await self._waiting.get()
            try:
                await self._cluster.post_event(run, event)
            except ApiError as error:
                self._metrics.events_lost.inc()
                log.warning("event %s was lost: %s", event.reason, error)
