"""A full disk stops the run with its own exit status; with space again, the run goes on exactly."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cycleqd.errors import StoreFull
from cycleqd.run.store import RunStore
from cycleqd.store import open_store
from tests.run.synthetic import archives, begin, do_everything, fresh, manifest


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(tmp_path)],
        check=False,
        capture_output=True,
        timeout=20,
    )
    if mounted.returncode != 0:
        pytest.skip(f"mount is not allowed here: {mounted.stderr.decode().strip()}")
    yield tmp_path
    subprocess.run(["umount", "-l", str(tmp_path)], check=True, timeout=20)


def test_full_then_not(small_disk: Path) -> None:
    store = open_store(str(small_disk / "store"))
    run = begin(store, manifest())
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 350_000)
    with pytest.raises(StoreFull):
        do_everything(run)
    ballast.unlink()
    do_everything(RunStore(store))

    undisturbed = fresh()
    do_everything(undisturbed)
    assert archives(store) == archives(undisturbed.objects)
