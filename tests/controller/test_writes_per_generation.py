"""The write budget: changes of progress and pods cost status writes by the interval, no others."""

from __future__ import annotations

import asyncio
import copy

from cycleqd_operator.settings import Settings
from tests.controller.memory_cluster import MemoryCluster
from tests.controller.running import check, controller_of


def test_a_thousand_changes_in_a_hundred_seconds_are_ten_writes() -> None:
    async def body(cluster: MemoryCluster) -> None:
        cluster.run("one")
        async with controller_of(cluster, settings=Settings(status_interval_seconds=10)) as it:
            await asyncio.sleep(20)
            before = cluster.writes.total()
            for number in range(1000):
                # The decision of these tests takes the generation from the spec.
                run = copy.deepcopy(cluster.get("CycleQDRun", "one"))
                run["spec"]["generation"] = number
                it.observe("CycleQDRun", "MODIFIED", cluster.store("CycleQDRun", run))
                await asyncio.sleep(0.1)
            await asyncio.sleep(20)
            assert cluster.get("CycleQDRun", "one")["status"]["generation"] == 999
            assert cluster.writes.total() - before <= 11

    check(body)


def test_an_event_about_a_known_version_costs_nothing() -> None:
    async def body(cluster: MemoryCluster) -> None:
        cluster.run("one")
        async with controller_of(cluster) as it:
            await asyncio.sleep(20)
            before = cluster.writes.total()
            for _ in range(100):
                it.observe("CycleQDRun", "MODIFIED", cluster.get("CycleQDRun", "one"))
                await asyncio.sleep(1)
            assert cluster.writes.total() == before

    check(body)
