"""What fails is tried again with growing waits; other runs, statuses and events do not suffer."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime

import pytest

from cycleqd_operator.api.status import RunStatus
from cycleqd_operator.decision.observed import Observed
from cycleqd_operator.kube.actions import Create, Decision, Event
from cycleqd_operator.kube.cluster import ApiError
from cycleqd_operator.kube.objects import name
from cycleqd_operator.settings import Settings
from tests.controller.decisions import child, condition, one_child
from tests.controller.memory_cluster import MemoryCluster
from tests.controller.running import check, controller_of


@pytest.mark.parametrize("fault", [ZeroDivisionError, RecursionError, MemoryError])
def test_a_fault_of_the_decision_stops_only_its_run(fault: type[Exception]) -> None:
    calls = {"bad": 0}

    def decide(observed: Observed, settings: Settings, now: datetime) -> Decision:
        if name(observed.run) == "bad":
            calls["bad"] += 1
            raise fault
        return one_child(observed, settings, now)

    async def body(cluster: MemoryCluster) -> None:
        cluster.run("bad")
        cluster.run("good")
        async with controller_of(cluster, decide, Settings(concurrency=1, resync_seconds=10_000)):
            await asyncio.sleep(600)
            assert cluster.get("ConfigMap", "good-manifest")
            # 0.5 + 1 + 2 + ... + 60 + 60 ...: about 15 tries in ten minutes, no hot loop.
            assert 8 <= calls["bad"] <= 30

    check(body)


def test_an_outage_is_waited_out() -> None:
    async def body(cluster: MemoryCluster) -> None:
        cluster.run("one")
        cluster.refuse["create ConfigMap"] = ApiError(0, "", "no answer")
        async with controller_of(cluster):
            await asyncio.sleep(70)
            assert cluster.writes["create ConfigMap"] < 15
            del cluster.refuse["create ConfigMap"]
            await asyncio.sleep(61)
            assert cluster.get("ConfigMap", "one-manifest")

    check(body)


def test_an_api_server_that_lags_is_waited_for_at_the_start() -> None:
    async def body(cluster: MemoryCluster) -> None:
        cluster.run("one")
        cluster.refuse["list Job"] = ApiError(504, "Timeout", "Too large resource version")
        asyncio.get_running_loop().call_later(20, cluster.refuse.clear)
        async with controller_of(cluster):
            await asyncio.sleep(10)
            assert cluster.get("ConfigMap", "one-manifest")

    check(body)


def test_an_api_server_that_goes_on_refusing_ends_the_start() -> None:
    async def body(cluster: MemoryCluster) -> None:
        cluster.refuse["list Job"] = ApiError(504, "Timeout", "Too large resource version")
        with pytest.raises(ApiError, match="Too large"):
            async with controller_of(cluster):
                pytest.fail("it started")

    check(body)


def test_what_is_refused_is_told_to_the_next_look_until_it_is_taken() -> None:
    seen: list[dict[str, str]] = []

    def decide(observed: Observed, settings: Settings, now: datetime) -> Decision:
        seen.append(dict(observed.refused))
        decision = one_child(observed, settings, now)
        other = Create(child(observed.run, "other"))
        return replace(decision, actions=(*decision.actions, other)) if len(seen) == 1 else decision

    async def body(cluster: MemoryCluster) -> None:
        cluster.run("one", generation=4)
        cluster.refuse["create ConfigMap one-manifest"] = ApiError(422, "Invalid", "env: required")
        async with controller_of(cluster, decide):
            await asyncio.sleep(100)
            # Neither the status nor the next action waits for the remedy.
            assert cluster.get("CycleQDRun", "one")["status"]["generation"] == 4
            assert cluster.get("ConfigMap", "one-other")
            assert seen[0] == {}
            assert seen[1:] == [{"ConfigMap/one-manifest": "env: required"}] * (len(seen) - 1)
            assert 4 <= len(seen) <= 20
            cluster.refuse.clear()
            await asyncio.sleep(1000)  # the waits have grown, and are drawn
            assert cluster.get("ConfigMap", "one-manifest")
            assert seen[-1] == {}

    check(body)


def test_events_that_cannot_be_posted_block_nothing() -> None:
    async def body(cluster: MemoryCluster) -> None:
        cluster.refuse["create Event"] = ApiError(403, "Forbidden", "terminating")
        for number in range(5):
            cluster.run(f"run-{number}")
        async with controller_of(cluster):
            await asyncio.sleep(5)
            assert all(cluster.get("ConfigMap", f"run-{number}-manifest") for number in range(5))
        assert not cluster.events

    check(body)


def test_events_are_told_once_with_the_status_that_they_belong_to() -> None:
    async def body(cluster: MemoryCluster) -> None:
        cluster.run("one")
        async with controller_of(cluster):
            await asyncio.sleep(3000)
        assert cluster.events == [Event("Normal", "Started", "go")]

    check(body)


def test_a_decision_that_never_settles_does_not_spin() -> None:
    def decide(observed: Observed, settings: Settings, now: datetime) -> Decision:
        status = RunStatus(conditions=(condition("Evolving"),))
        return Decision((Create(child(observed.run, "x", kind="Secret")),), status)

    async def body(cluster: MemoryCluster) -> None:
        cluster.run("one")
        async with controller_of(cluster, decide, Settings(resync_seconds=10_000)):
            await asyncio.sleep(600)
        assert cluster.writes["create Secret"] < 40

    check(body)


@pytest.mark.parametrize("seconds", [5.0, 60.0])
def test_a_run_is_looked_at_again_when_its_decision_asks(seconds: float) -> None:
    looks: list[float] = []

    def decide(observed: Observed, settings: Settings, now: datetime) -> Decision:
        looks.append(asyncio.get_running_loop().time())
        return Decision((), RunStatus(), requeue_seconds=seconds)

    async def body(cluster: MemoryCluster) -> None:
        cluster.run("one")
        async with controller_of(cluster, decide, Settings(resync_seconds=10_000)):
            await asyncio.sleep(601)
        assert len(looks) == pytest.approx(600 / seconds + 1, abs=1)

    check(body)


def test_a_controller_that_lost_a_task_says_so() -> None:
    async def body(cluster: MemoryCluster) -> None:
        async with controller_of(cluster) as controller:
            cluster.refuse["list Pod"] = KeyError("a fault of ours")  # type: ignore[assignment]
            with pytest.raises(KeyError):
                await controller.wait()

    check(body)
