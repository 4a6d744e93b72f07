"""Merging two parents of 512 MB: our ways and mergekit's against a plain copy, in one run.

    python -m benchmarks.merge [--rounds 7] [--threads 1] [--no-mergekit]

Absolute times on a shared machine say little, so all variants take turns and the medians are
divided by the copy's. Output goes to memory (``/dev/shm``) where there is room, so that write-back
does not decide. mergekit runs in a process and an environment of its own, made on the first run
under ``~/.cache/cycleqd-benchmarks``; times are taken inside that process, after its imports.
"""

from __future__ import annotations

import argparse
import json
import queue
import shutil
import statistics
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import torch
from benchmarks.measure import measure
from safetensors.torch import save_file
from tests.checkpoints import llama_config, llama_shapes, write_checkpoint

from cycleqd.checkpoints.header import layout
from cycleqd.evolution.genome import scaled_experts_genome
from cycleqd.weights.checkpoint import Checkpoint
from cycleqd.weights.materialize import Materializer
from cycleqd.weights.merge import merge_files

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent
ENVIRONMENT = Path.home() / ".cache" / "cycleqd-benchmarks" / "mergekit"
SETUP_LIMIT = 900
MERGE_LIMIT = 120

COPY = "plain copy of the child (1 MB buffer)"
FUSED = "ours: two parents, file to file"
GENERAL = "ours: genome of base and two experts, file and digest"
RAM = "ours: genome whose base cancels, into memory"
LINEAR = "mergekit linear"
ARITHMETIC = "mergekit task_arithmetic"

Figures = dict[str, list[tuple[float, float]]]


def make_models(folder: Path, layers: int) -> dict[str, Path]:
    """A base and two parents of random weights, bf16, untied."""
    config = llama_config(
        hidden=1024, heads=16, layers=layers, intermediate=2816, vocab=32000, tied=False
    )
    folders = {}
    for seed, name in enumerate(("base", "a", "b")):
        generator = torch.Generator().manual_seed(seed)
        state = {
            tensor: (torch.randn(shape, generator=generator) * 0.02).bfloat16()
            for tensor, shape in llama_shapes(config).items()
        }
        folders[name] = write_checkpoint(folder / name, config, {"x": torch.zeros(1)})
        save_file(state, folders[name] / "model.safetensors", {"format": "pt"})
    return folders


class Mergekit:
    """mergekit in its own process."""

    def __init__(self) -> None:
        python = ENVIRONMENT / "bin" / "python"
        if not (ENVIRONMENT / "complete").exists():
            shutil.rmtree(ENVIRONMENT, ignore_errors=True)
            _run(sys.executable, "-m", "venv", str(ENVIRONMENT))
            requirements = HERE / "requirements-mergekit.txt"
            _run(str(python), "-m", "pip", "install", "-q", "-r", str(requirements))
            (ENVIRONMENT / "complete").touch()
        self._process = subprocess.Popen(
            [str(python), str(HERE / "mergekit_peer.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self._answer()

    def merge(self, config: dict[str, object], out: Path) -> tuple[float, float]:
        """Seconds and added megabytes of one merge."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"config": config, "out": str(out)}) + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        return answer["seconds"], answer["megabytes"]

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait(30)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def _answer(self) -> dict[str, float]:
        line = self._lines.get(timeout=MERGE_LIMIT)
        if not line:
            raise SystemExit("mergekit's process ended; run it by hand to see why")
        answer: dict[str, float] = json.loads(line)
        return answer


def _run(*command: str) -> None:
    subprocess.run(command, check=True, timeout=SETUP_LIMIT)


def copy(source: Path, out: Path) -> None:
    """Copy a folder as any program would, a megabyte at a time."""
    out.mkdir()
    for path in source.iterdir():
        with path.open("rb") as reader, (out / path.name).open("wb") as writer:
            shutil.copyfileobj(reader, writer, 1 << 20)


def our_ways(folders: dict[str, Path], threads: int) -> dict[str, Callable[[Path], object]]:
    """Variants that run in this process, each writing to the path it is given."""
    base = Checkpoint.open(folders["base"])
    experts = {name: Checkpoint.open(folders[name]) for name in ("a", "b")}
    slots = layout(base.header, list(experts), 0)
    maker = Materializer(base, experts, {}, slots, seed=0, dtype=None, threads=threads)
    general = scaled_experts_genome(slots, [0.6, 0.7])
    crossed = scaled_experts_genome(slots, [0.4, 0.6])
    return {
        COPY: lambda out: copy(folders["a"], out),
        FUSED: lambda out: merge_files(folders["a"], folders["b"], 0.6, out, threads=threads),
        GENERAL: lambda out: maker.to_file(general, out),
        RAM: lambda _: maker.to_ram(crossed),
    }


def mergekit_ways(folders: dict[str, Path]) -> dict[str, dict[str, object]]:
    """The same merges as mergekit's configurations."""

    def models(a: float, b: float) -> list[dict[str, object]]:
        parents = zip(("a", "b"), (a, b), strict=True)
        return [{"model": str(folders[n]), "parameters": {"weight": w}} for n, w in parents]

    common = {"dtype": "bfloat16"}
    return {
        LINEAR: {"merge_method": "linear", "models": models(0.4, 0.6), **common},
        ARITHMETIC: {
            "merge_method": "task_arithmetic",
            "base_model": str(folders["base"]),
            "models": models(0.6, 0.7),
            **common,
        },
    }


def run(folders: dict[str, Path], out: Path, rounds: int, threads: int, peer: bool) -> Figures:
    """All variants in turn, ``rounds`` times after a first round to warm up."""
    ours = our_ways(folders, threads)
    theirs = mergekit_ways(folders) if peer else {}
    mergekit = Mergekit() if peer else None
    figures: Figures = {name: [] for name in (*ours, *theirs)}
    try:
        for _ in range(rounds + 1):
            for name in figures:
                if name in ours:
                    result = measure(partial(ours[name], out))
                else:
                    assert mergekit is not None
                    result = mergekit.merge(theirs[name], out)
                shutil.rmtree(out, ignore_errors=True)
                figures[name].append(result)
    finally:
        if mergekit is not None:
            mergekit.close()
    return figures


def report(figures: Figures) -> bool:
    """Print the table and the goals; whether all goals are met."""
    seconds = {name: statistics.median(s for s, _ in runs[1:]) for name, runs in figures.items()}
    # The first round counts here: later ones find memory that an earlier one has taken.
    memory = {name: max(m for _, m in runs) for name, runs in figures.items()}
    print(f"| {'way':56s} | median s | x copy | added MB |")
    print(f"|{'-' * 58}|---------:|-------:|---------:|")
    for name, value in seconds.items():
        ratio = value / seconds[COPY]
        print(f"| {name:56s} | {value:8.3f} | {ratio:6.2f} | {memory[name]:8.0f} |")
    goals = [
        ("two parents to file, x copy", seconds[FUSED] / seconds[COPY], "<=", 1.7),
        ("general genome to file, x copy", seconds[GENERAL] / seconds[COPY], "<=", 2.9),
        ("into memory, x copy", seconds[RAM] / seconds[COPY], "<=", 0.7),
        ("added memory of the merge to file, MB", memory[FUSED], "<=", 64),
        ("added memory of the general genome, MB", memory[GENERAL], "<=", 64),
    ]
    if LINEAR in seconds:
        goals += [
            ("faster than mergekit linear", seconds[LINEAR] / seconds[FUSED], ">=", 3),
            ("faster than task_arithmetic", seconds[ARITHMETIC] / seconds[FUSED], ">=", 4),
        ]
    print()
    met = True
    for what, value, relation, goal in goals:
        good = value <= goal if relation == "<=" else value >= goal
        met = met and good
        print(f"{'met   ' if good else 'MISSED'} {what}: {value:.2f} (goal {relation} {goal})")
    return met


def main() -> None:
    """Make the models, take turns, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1, help="threads of our ways")
    parser.add_argument("--layers", type=int, default=16, help="16 make a model of 512 MB")
    parser.add_argument("--no-mergekit", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    memory = Path("/dev/shm")
    place = memory if memory.is_dir() and shutil.disk_usage(memory).free > 4 << 30 else None
    with TemporaryDirectory(prefix="cycleqd-merge-", dir=place) as folder:
        folders = make_models(Path(folder), options.layers)
        size = Checkpoint.open(folders["a"]).header.nbytes / 1e6
        print(
            f"{size:.0f} MB of bf16 a model, {options.rounds} rounds, {options.threads} thread(s)"
        )
        out = Path(folder) / "out"
        peer = not options.no_mergekit
        figures = run(folders, out, options.rounds, options.threads, peer)
    raise SystemExit(0 if report(figures) else 1)


if __name__ == "__main__":
    main()
