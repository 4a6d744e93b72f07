"""A running controller over a cluster in memory, in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from cycleqd_operator.control.controller import Controller, Reconcile
from cycleqd_operator.metrics import Metrics
from cycleqd_operator.settings import Settings
from tests.controller.decisions import one_child
from tests.controller.memory_cluster import MemoryCluster
from tests.controller.virtual_time import in_virtual_time

SETTINGS = Settings(resync_seconds=300, status_interval_seconds=10)


@asynccontextmanager
async def controller_of(
    cluster: MemoryCluster, decide: Reconcile = one_child, settings: Settings = SETTINGS
) -> AsyncIterator[Controller]:
    controller = Controller(cluster, settings, Metrics(), decide)
    await controller.start()
    try:
        yield controller
    finally:
        await controller.stop()


def check(body: Callable[[MemoryCluster], Awaitable[None]]) -> None:
    async def run() -> None:
        await body(MemoryCluster())

    in_virtual_time(run())
