"""The status writer: nothing without a change, news at once, counters once an interval."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cycleqd_operator.api.status import Evaluations, RunStatus
from cycleqd_operator.control.status_writer import StatusWriter, merge_patch, to_json
from cycleqd_operator.control.work_queue import RunKey
from tests.controller.decisions import condition
from tests.controller.memory_cluster import MemoryCluster, merged
from tests.controller.virtual_time import in_virtual_time

KEY = RunKey("default", "one")


def status(evaluated: int, reason: str = "Evolving") -> RunStatus:
    return RunStatus(evaluations=Evaluations(succeeded=evaluated), conditions=(condition(reason),))


def test_an_equal_status_is_not_written() -> None:
    async def check() -> None:
        cluster = MemoryCluster()
        writer = StatusWriter(cluster, 10)
        first = await writer.write(KEY, cluster.run("one"), status(1))
        assert first.run is not None
        await asyncio.sleep(100)
        again = await writer.write(KEY, first.run, status(1))
        assert (again.run, again.wait_seconds) == (None, None)
        assert cluster.writes["patch status"] == 1

    in_virtual_time(check())


def test_counters_wait_for_the_interval() -> None:
    async def check() -> None:
        cluster = MemoryCluster()
        writer = StatusWriter(cluster, 10)
        run = (await writer.write(KEY, cluster.run("one"), status(1))).run
        assert run is not None
        for second in range(1, 31):
            await asyncio.sleep(1)
            written = await writer.write(KEY, run, status(1 + second))
            run = written.run or run
            if written.run is None:
                assert written.wait_seconds == pytest.approx(10 - second % 10)
        assert cluster.writes["patch status"] == 1 + 3

    in_virtual_time(check())


def test_a_changed_condition_is_written_at_once() -> None:
    async def check() -> None:
        cluster = MemoryCluster()
        writer = StatusWriter(cluster, 10)
        run = (await writer.write(KEY, cluster.run("one"), status(1))).run
        assert run is not None
        news = await writer.write(KEY, run, status(2, reason="Suspended"))
        assert news.run is not None
        assert news.run["status"]["evaluations"]["succeeded"] == 2

    in_virtual_time(check())


def test_a_run_that_changed_since_is_looked_at_again() -> None:
    async def check() -> None:
        cluster = MemoryCluster()
        writer = StatusWriter(cluster, 10)
        seen = cluster.run("one")
        cluster.run("one", generations=7)
        written = await writer.write(KEY, seen, status(1))
        assert written.run is None
        assert written.wait_seconds is not None
        assert "status" not in cluster.get("CycleQDRun", "one")

    in_virtual_time(check())


def test_absent_fields_are_removed() -> None:
    before = to_json(RunStatus(start_time="2026-01-01T00:00:00Z"))
    after = to_json(RunStatus())
    assert merge_patch(before, after) == {"startTime": None}


json_objects = st.dictionaries(
    st.sampled_from("abcd"),
    st.recursive(
        st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2),
        lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
        max_leaves=5,
    ),
    max_size=4,
)


@given(json_objects, json_objects)
def test_the_patch_turns_one_into_the_other(before: dict, after: dict) -> None:
    patch = merge_patch(before, after)
    assert merged(before, patch) == after
    assert (not patch) == (before == after)
