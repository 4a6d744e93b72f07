"""Programs run side by side where each has a core and memory of its own, and never on another's.

An answer that sleeps costs its whole time on the clock, so a candidate of sleepers would hold up a
worker for the sum of all; and a program that shared its core with too many would run into its clock
though it is right.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from cycleqd.evaluation.sandbox import Limits, Report, Sandbox, ShellProgram, room

pytestmark = pytest.mark.timeout(120)

MEBIBYTE = 1 << 20
SLEEPER = ShellProgram(
    {}, "date +%s%N; sleep 1; date +%s%N", (), Limits(wall_seconds=30, memory_bytes=512 * MEBIBYTE)
)


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of four cores and 4 GiB, whose cores nobody but this test claims."""
    monkeypatch.setattr(room, "cores", lambda: 4)
    monkeypatch.setattr(room, "free_memory", lambda: 4096 * MEBIBYTE)
    monkeypatch.setattr(room, "_NAME", f"cycleqd-test-{os.getpid()}")


def side_by_side(reports: Sequence[Report]) -> int:
    """The most that ran at one time."""
    times = [[int(word) for word in report.stdout.split()] for report in reports]
    return max(sum(start <= own <= end for start, end in times) for own, _ in times)


@pytest.mark.parametrize("namespaces", [True, False])
def test_sleepers_run_side_by_side(namespaces: bool) -> None:
    with Sandbox(slots=8, namespaces=namespaces) as box:
        assert side_by_side(box.run([SLEEPER] * 16)) == 4


def test_what_has_no_memory_or_core_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(slots=8) as box:
        other = room.SpareCores(8, MEBIBYTE)
        assert other.slots == 4
        assert side_by_side(box.run([SLEEPER] * 8)) == 1
        other.release()
        monkeypatch.setattr(room, "free_memory", lambda: 1100 * MEBIBYTE)
        assert side_by_side(box.run([SLEEPER] * 8)) == 2
        monkeypatch.setattr(room, "free_memory", lambda: 0)
        assert side_by_side(box.run([SLEEPER] * 4)) == 1


def test_workers_share_the_cores_of_a_machine() -> None:
    first, second, third = (room.SpareCores(most, MEBIBYTE) for most in (3, 8, 8))
    assert [first.slots, second.slots, third.slots] == [3, 2, 1]
    first.release()
    first.release()
    fourth = room.SpareCores(8, MEBIBYTE)
    assert [first.slots, fourth.slots] == [1, 3]
    for spare in (second, third, fourth):
        spare.release()


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 64),
        ({"cpu.max": "max 100000"}, 64),
        ({"cpu.max": "250000 100000"}, 2),
        ({"cpu.max": "50000 100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 64),
        ({"cpu/cpu.cfs_quota_us": "400000", "cpu/cpu.cfs_period_us": "100000"}, 4),
        ({"cpu.max": "6400000 50000"}, 64),
    ],
)
def test_a_container_has_its_share_of_cores(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, files: dict[str, str], expected: int
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    _write(tmp_path, files)
    assert room.cores(tmp_path) == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"meminfo": "MemTotal: 9 kB\nMemAvailable:    2048 kB"}, 2 * MEBIBYTE),
        ({}, 0),
        (
            {"meminfo": "MemAvailable: 2048 kB", "memory.max": "max", "memory.current": "7"},
            2 * MEBIBYTE,
        ),
        ({"meminfo": "MemAvailable: 2048 kB", "memory.max": "9", "memory.current": "7"}, 2),
        ({"meminfo": "MemAvailable: 2048 kB", "memory.max": "7", "memory.current": "9"}, 0),
        (
            {
                "meminfo": "MemAvailable: 2048 kB",
                "memory.max": "90",
                "memory.current": "80",
                "memory.stat": "anon 10\nfile 70\ninactive_file 50",
            },
            60,
        ),
        (
            {
                "meminfo": "MemAvailable: 2048 kB",
                "memory/memory.limit_in_bytes": "100",
                "memory/memory.usage_in_bytes": "60",
            },
            40,
        ),
    ],
)
def test_a_container_has_its_share_of_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, files: dict[str, str], expected: int
) -> None:
    monkeypatch.undo()
    _write(tmp_path, files)
    assert room.free_memory(tmp_path, tmp_path / "meminfo") == expected


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{text}\n")
