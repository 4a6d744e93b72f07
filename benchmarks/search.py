"""Compare search strategies on a landscape that behaves like merging experts.

Every strategy gets the same evaluations on the same landscapes; each seed is another landscape and
another run. Reported: mean of each measure, and the ratio of means to random genomes with
a 95 % bootstrap interval, paired by seed. Run it as::

    python benchmarks/search.py --seeds 10 --evaluations 400
    python benchmarks/search.py --json > search.json
"""

from __future__ import annotations

import argparse
import json
import sys
import time

import numpy as np
import numpy.typing as npt

from cycleqd.evolution.final import balanced_member
from cycleqd.evolution.metrics import geometric_mean
from cycleqd.manifest.presets import PRESETS
from landscape import Landscape, evolve, qd_score, spec_of

Float64 = npt.NDArray[np.float64]

BLOCK = {"granularity": "Block"}
LINE = {"method": "Line"}
ATTRACTION = {"partner": "Attraction"}
GRADIENT_FREE = PRESETS["GradientFree"]
REFERENCE = "random genomes, block"
STRATEGIES: dict[str, dict[str, object]] = {
    REFERENCE: {"strategy": "RandomGenomes", "crossover": BLOCK},
    "task arithmetic": {"strategy": "TaskArithmetic"},
    "CycleQD, model": {"crossover": {"granularity": "Model"}},
    "CycleQD, block": {"crossover": BLOCK},
    "CycleQD, tensor": {"crossover": {"granularity": "Tensor"}},
    "CycleQD, block, uniform selection": {"crossover": BLOCK, "selection": {"method": "Uniform"}},
    "CycleQD, block, runner's selection": {
        "crossover": BLOCK,
        "selection": {"method": "ReferenceElite"},
    },
    "CycleQD, block, no mutation": {"crossover": BLOCK, "mutation": {"method": "None"}},
    "CycleQD, block, stddev 0.01": {"crossover": {**BLOCK, "stddev": 0.01}},
    "CycleQD, block, stddev 0.2": {"crossover": {**BLOCK, "stddev": 0.2}},
    "CycleQD, block, focus fixed": {"crossover": BLOCK, "cycleInterval": 1_000_000},
    "CycleQD, block, lag 1": {"crossover": BLOCK, "pipelineDepth": 1},
    "CycleQD, block, lag 8": {"crossover": BLOCK, "pipelineDepth": 8},
    "CycleQD, block, start": {"crossover": BLOCK, "start": {}},
    "CycleQD, block, line": {"crossover": LINE | BLOCK},
    "CycleQD, block, line, start": {"crossover": LINE | BLOCK, "start": {}},
    "CycleQD, band, line, start": {"crossover": LINE | {"granularity": "Band"}, "start": {}},
    "CycleQD, block, line, start, no mutation": {
        "crossover": LINE | BLOCK,
        "start": {},
        "mutation": {"method": "None"},
    },
    "CycleQD, block, attraction": {"crossover": BLOCK, "selection": ATTRACTION},
    "GradientFree": dict(GRADIENT_FREE),
    "GradientFree, attraction": {
        **GRADIENT_FREE,
        "selection": {**GRADIENT_FREE["selection"], **ATTRACTION},
    },
}
MEASURES = ("qd score", "coverage", "hypervolume", "balanced")


def measure(seed: int, settings: dict[str, object], options: argparse.Namespace) -> list[float]:
    """The measures of one run after its last generation."""
    landscape = Landscape.make(seed, saturation=options.saturation)
    generations = max(1, options.evaluations // options.batch)
    shape = {"generations": generations, "candidatesPerGeneration": options.batch}
    last = evolve(landscape, spec_of(landscape, seed=seed, **shape, **settings))[-1]
    archives = last.state.archives.values()
    return [
        qd_score(last),
        float(np.mean([archive.coverage for archive in archives])),
        last.document().hypervolume,
        geometric_mean(balanced_member(last).scores.values()),
    ]


def ratio(values: Float64, reference: Float64) -> tuple[float, float, float]:
    """Ratio of means over seeds and its 95 % bootstrap interval, paired by seed."""
    picks = np.random.default_rng(0).integers(len(values), size=(4000, len(values)))
    ratios = values[picks].mean(axis=1) / reference[picks].mean(axis=1)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return float(values.mean() / reference.mean()), float(low), float(high)


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--evaluations", type=int, default=400)
    parser.add_argument("--batch", type=int, default=8, help="candidates per generation")
    parser.add_argument(
        "--saturation",
        type=float,
        default=3.0,
        help="3: half a task vector brings most of its skill, as measured; 0.1: it takes all of it",
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    start = time.monotonic()
    seeds = range(1000, 1000 + options.seeds)  # not those of the tests
    runs = {
        name: np.array([measure(s, c, options) for s in seeds]) for name, c in STRATEGIES.items()
    }
    rows = []
    for name, values in runs.items():
        row: dict[str, object] = {"strategy": name}
        for number, label in enumerate(MEASURES):
            column = values[:, number]
            row[label] = float(column.mean())
            row[f"{label} ratio"] = ratio(column, runs[REFERENCE][:, number])
        rows.append(row)
    if options.json:
        json.dump({"options": vars(options), "rows": rows}, sys.stdout, indent=2)
        return
    header = "".join(f"{label + ' (ratio to random)':>33}" for label in MEASURES)
    lines = [f"{'strategy':<36}{header}"]
    for row in rows:
        cells = ""
        for label in MEASURES:
            middle, low, high = row[f"{label} ratio"]  # type: ignore[misc]
            cells += f"{row[label]:>11.3f}  {middle:>5.2f} [{low:.2f}, {high:.2f}]".rjust(33)
        lines.append(f"{row['strategy']:<36}{cells}")
    seconds = time.monotonic() - start
    lines.append(
        f"{options.seeds} seeds, {options.evaluations} evaluations each, {seconds:.0f} s in all"
    )
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
