"""Making a child adds a bounded amount of anonymous memory, whatever the model's size."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.checkpoints import llama_config, random_state, write_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.runtime

# RssAnon leaves out the mapped files, which the kernel takes back when it needs them.
_PROGRAM = """
import json, re, sys, threading
from pathlib import Path
import numpy as np
from cycleqd.evolution.genome import Genome, scaled_experts_genome
from cycleqd.store.folder import FolderStore
from cycleqd.weights.checkpoint import Checkpoint
from cycleqd.weights.factors import Factors, factor_expert
from cycleqd.checkpoints.header import layout
from cycleqd.weights.materialize import Materializer
from cycleqd.weights.merge import merge_files

def anonymous():
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

def added(work):
    peak, done = [anonymous()], threading.Event()
    before = peak[0]
    def watch():
        while not done.wait(0.002):
            peak[0] = max(peak[0], anonymous())
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        work()
    finally:
        done.set()
        watcher.join()
    return peak[0] - before

folders = {name: Path(sys.argv[1]) / name for name in ("base", "sql", "python")}
base, sql, python = map(Checkpoint.open, folders.values())
experts = {"sql": sql, "python": python}
slots = layout(base.header, list(experts), None)
out = Path(sys.argv[1]) / "out"
store = FolderStore(out / "store")
if sys.argv[2] == "factor":
    factor_expert(base, sql, "sql", slots, store, cache=out / "cache")
    sys.exit()
factors = Factors.open(store, "sql", out / "cache")
maker = Materializer(base, experts, {"sql": factors}, slots, seed=0, dtype=None, threads=1)
genome = scaled_experts_genome(slots, [0.3, 0.3])
gain = np.zeros((2, slots.directions), np.float32)
gain[0] = 0.1
mutated = Genome(slots, genome.scale, gain)
print(json.dumps({
    "megabytes": base.header.nbytes / 2**20,
    "merge": added(
        lambda: merge_files(folders["sql"], folders["python"], 0.4, out / "merged", threads=1)
    ),
    "general": added(lambda: maker.to_file(genome, out / "general")),
    "mutated": added(lambda: maker.to_file(mutated, out / "mutated")),
}))
"""


def _measure(folder: Path, layers: int) -> dict[str, float]:
    config = llama_config(hidden=512, heads=8, layers=layers, intermediate=1408, vocab=2048)
    for seed, name in enumerate(("base", "sql", "python")):
        write_checkpoint(folder / name, config, random_state(config, seed))
    # Factoring leaves freed memory in its process, which would hide what is added later.
    for step in ("factor", "measure"):
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, str(folder), step],
            capture_output=True, text=True, timeout=300, check=False,
            env={"OMP_NUM_THREADS": "1", "PATH": ""},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def test_growth(tmp_path: Path) -> None:
    small, large = _measure(tmp_path / "small", 4), _measure(tmp_path / "large", 8)
    print(small, large)
    assert large["megabytes"] > 1.8 * small["megabytes"]
    for path in ("merge", "general", "mutated"):
        assert large[path] < 64
        assert large[path] < 1.1 * small[path] + 1
