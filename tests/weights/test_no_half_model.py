"""A writer killed at any moment leaves no half model, and the next one succeeds and cleans up."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from cycleqd.checkpoints.folder import ShardedWriter
from cycleqd.errors import StoreFull
from cycleqd.evolution.genome import scaled_experts_genome
from cycleqd.weights import materialize
from cycleqd.weights.checkpoint import Checkpoint
from tests.checkpoints import family
from tests.weights.lineage import Family

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.runtime

# Writes slowly, so that the kill falls into the writing.
_CHILD = """
import sys, time
from pathlib import Path
from cycleqd.weights import merge
from cycleqd.checkpoints.folder import ShardedWriter
plain = ShardedWriter.write
def slow(self, name, offset, data):
    plain(self, name, offset, data)
    time.sleep(0.2)
ShardedWriter.write = slow
merge._same_layout = lambda a, b: False
a, b, out = map(Path, sys.argv[1:])
merge.merge_files(a, b, 0.5, out, threads=1)
"""


def test_kill(tmp_path: Path) -> None:
    made = Family(family(tmp_path / "models"), tmp_path / "cache")
    out = tmp_path / "out"
    target = out / "child"
    arguments = [*map(str, (made.folders["sql"], made.folders["python"], target))]
    process = subprocess.Popen([sys.executable, "-c", _CHILD, *arguments])
    try:
        deadline = time.monotonic() + 300
        while not list(out.glob(".child.partial-*/model.safetensors")):
            assert process.poll() is None, "the writer ended before it could be killed"
            assert time.monotonic() < deadline, "the writer did not begin"
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    assert not target.exists()

    genome = scaled_experts_genome(made.layout, [0.5, 0.5])
    digest = made.materializer().to_file(genome, target)

    assert Checkpoint.open(target).digest() == digest
    assert [path.name for path in out.iterdir()] == ["child"]


def test_full_disk(small: Family, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class FullDisk(ShardedWriter):
        def write(self, name: str, offset: int, data: memoryview) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(materialize, "ShardedWriter", FullDisk)
    genome = scaled_experts_genome(small.layout, [0.5, 0.5])
    with pytest.raises(StoreFull, match="child"):
        small.materializer().to_file(genome, tmp_path / "child")
    assert list(tmp_path.iterdir()) == []
