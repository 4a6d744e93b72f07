"""The loop is level-triggered: without a single watch event, relists alone set everything right."""

from __future__ import annotations

import asyncio

from cycleqd_operator.kube.cluster import ApiError
from tests.controller.memory_cluster import MemoryCluster
from tests.controller.running import check, controller_of


def test_runs_found_at_start_are_served() -> None:
    async def body(cluster: MemoryCluster) -> None:
        for number in range(20):
            cluster.run(f"run-{number}", generation=number)
        async with controller_of(cluster):
            await asyncio.sleep(5)
        assert cluster.writes == {"create ConfigMap": 20, "patch status": 40}
        assert cluster.get("CycleQDRun", "run-7")["status"]["generation"] == 7

    check(body)


def test_a_new_run_and_a_lost_child_are_found_by_the_relist() -> None:
    async def body(cluster: MemoryCluster) -> None:
        cluster.run("old")
        async with controller_of(cluster):
            await asyncio.sleep(5)
            cluster.run("new")
            cluster.drop("ConfigMap", "old-manifest")
            await asyncio.sleep(400)
            assert cluster.get("ConfigMap", "new-manifest")
            assert cluster.get("ConfigMap", "old-manifest")

    check(body)


def test_a_deleted_run_is_forgotten() -> None:
    async def body(cluster: MemoryCluster) -> None:
        cluster.run("one")
        async with controller_of(cluster) as controller:
            await asyncio.sleep(5)
            cluster.drop("ConfigMap", "one-manifest")
            cluster.drop("CycleQDRun", "one")
            writes = dict(cluster.writes)
            await asyncio.sleep(1000)
            assert cluster.writes == writes
            assert controller.health()["cycleqdruns"] == 0

    check(body)


def test_a_watch_that_starts_over_leads_to_a_relist_soon() -> None:
    async def body(cluster: MemoryCluster) -> None:
        run = cluster.run("one")
        async with controller_of(cluster) as controller:
            await asyncio.sleep(20)
            cluster.drop("ConfigMap", "one-manifest")
            controller.observe("CycleQDRun", None, run)
            await asyncio.sleep(20)
            assert cluster.get("ConfigMap", "one-manifest")

    check(body)


def test_a_relist_that_fails_is_tried_again_soon() -> None:
    async def body(cluster: MemoryCluster) -> None:
        async with controller_of(cluster):
            cluster.refuse["list Job"] = ApiError(503, "", "down")
            await asyncio.sleep(340)
            cluster.run("one")
            del cluster.refuse["list Job"]
            await asyncio.sleep(20)
            assert cluster.get("ConfigMap", "one-manifest")

    check(body)


def test_our_own_writes_need_no_watch_to_be_seen() -> None:
    async def body(cluster: MemoryCluster) -> None:
        cluster.run("one")
        async with controller_of(cluster):
            await asyncio.sleep(3000)
        assert cluster.writes == {"create ConfigMap": 1, "patch status": 2}

    check(body)
