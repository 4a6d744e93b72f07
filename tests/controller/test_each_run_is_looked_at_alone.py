"""The queue: a run is in it once, in work once, never lost, and waits longer after each failure."""

from __future__ import annotations

import asyncio

import pytest

from cycleqd_operator.control.work_queue import RunKey, WorkQueue, backoff_seconds
from tests.controller.virtual_time import in_virtual_time

ONE, TWO = RunKey("ns", "one"), RunKey("ns", "two")


def test_a_run_is_due_once() -> None:
    async def check() -> None:
        queue = WorkQueue()
        for key in (ONE, TWO, ONE, ONE):
            queue.add(key)
        assert [await queue.get(), await queue.get()] == [ONE, TWO]
        assert len(queue) == 0

    in_virtual_time(check())


def test_a_change_during_the_look_makes_the_run_due_afterwards() -> None:
    async def check() -> None:
        queue = WorkQueue()
        queue.add(ONE)
        key = await queue.get()
        queue.add(ONE)
        queue.add(ONE)
        assert len(queue) == 0
        queue.done(key)
        assert len(queue) == 1
        queue.done(await queue.get())
        assert len(queue) == 0

    in_virtual_time(check())


def test_the_earliest_time_wins() -> None:
    async def check() -> None:
        queue = WorkQueue()
        loop = asyncio.get_running_loop()
        queue.add_after(ONE, 100)
        queue.add_after(ONE, 5)
        queue.add_after(ONE, 50)
        queue.done(await queue.get())
        assert loop.time() == pytest.approx(5)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1000):
                await queue.get()

    in_virtual_time(check())


def test_failures_wait_longer_each_time_up_to_a_minute() -> None:
    waits = [backoff_seconds(failures, jitter=1.0) for failures in range(1, 12)]
    assert waits[:4] == [0.5, 1, 2, 4]
    assert waits == sorted(waits)
    assert waits[-1] == backoff_seconds(10_000, jitter=1.0) == 60
    assert backoff_seconds(3, jitter=0.0) == 1

    async def check() -> None:
        queue = WorkQueue()
        first = queue.retry(ONE)
        for _ in range(8):
            last = queue.retry(ONE)
        assert first <= 0.5
        assert last >= 30
        queue.succeeded(ONE)
        assert queue.retry(ONE) <= 0.5
        queue.stop()

    in_virtual_time(check())


def test_runs_side_by_side_but_each_alone() -> None:
    async def check() -> None:
        queue = WorkQueue()
        working: list[RunKey] = []
        most = 0
        looks = 0

        async def work() -> None:
            nonlocal most, looks
            while True:
                key = await queue.get()
                assert key not in working
                working.append(key)
                most = max(most, len(working))
                await asyncio.sleep(1)
                working.remove(key)
                looks += 1
                queue.done(key)

        keys = [RunKey("ns", f"run-{number}") for number in range(6)]
        tasks = [asyncio.create_task(work()) for _ in range(4)]
        for _ in range(5):
            for key in keys:
                queue.add(key)
            await asyncio.sleep(0.4)
        await asyncio.sleep(20)
        assert most == 4
        assert looks >= 2 * len(keys)
        assert not working
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    in_virtual_time(check())
