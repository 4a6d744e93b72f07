"""Ctrl-C ends a run at once, with its own exit status and no process left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.run.tiny import MANIFEST, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]

LIMIT_SECONDS = 600


def test_ctrl_c(tiny_demo: None, tmp_path: Path) -> None:
    store = tmp_path / "store"
    command = [sys.executable, "-m", "cycleqd.cli", "run", str(MANIFEST), "--store", str(store)]
    # A test started in the background ignores Ctrl-C, and so would its children.
    process = subprocess.Popen(
        ["env", "--default-signal=INT", *command, "--workers", "2", "--share-gpus"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + LIMIT_SECONDS
        while not list(store.glob("generations/000000/results/*.json")):
            assert time.monotonic() < deadline, "no result"
            assert process.poll() is None
            time.sleep(0.1)
        workers = psutil.Process(process.pid).children()
        assert len(workers) == 2
        process.send_signal(signal.SIGINT)
        _, words = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "the same command goes on" in words
    _, alive = psutil.wait_procs(workers, timeout=5)
    assert alive == []
