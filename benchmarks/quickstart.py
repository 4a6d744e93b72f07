"""CycleQD against its baselines on the quickstart's models: several seeds, fresh held-out items.

Each method searches with the quickstart's items for about the same time, but for merges of a single
number, which need less. `cycleqd compare` runs them, evaluates what they choose on held-out items
(`benchmarks.comparison`) and writes its tables.

    .venv/bin/python -m benchmarks.quickstart --seeds 11 12 13 --part 1

Interrupted, the same command goes on. Needs `cycleqd demo-experts --pooled` first.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from benchmarks.comparison import QUICKSTART, SHIPPED, Material, add_options, compare, material

from cycleqd.manifest.reader import load_manifest
from cycleqd.manifest.schema import canonical

LONG = {"generations": 10, "candidatesPerGeneration": 8, "pipelineDepth": 1}
"""80 evaluations: about the time of the shipped manifest's 24, of which most are tuned."""
GRID = {"generations": 4, "candidatesPerGeneration": 4}
"""One number is searched."""
TUNES = {
    "strategy": "TunedScalar",
    "candidatesPerGeneration": 2,
    "pipelineDepth": 1,
    "tune": canonical(load_manifest(QUICKSTART))["spec"]["evolution"]["tune"],
    "aggregate": {"method": "Front"},
}
"""14 tunes as the shipped manifest's, after 6 plain scalars where those are searched. A tune takes
about five evaluations, so that is the time of 80; small generations teach what was just solved."""
METHODS: dict[str, dict[str, Any]] = {
    "cycleqd": SHIPPED,
    "gradient-free": {**LONG, "preset": "GradientFree"},
    "paper": {
        **LONG,
        "preset": "Paper",
        "crossover": {"granularity": "Block"},
        "mutation": {"maxScale": "0.8", "rank": 64},
    },
    "reference": {**LONG, "preset": "Reference", "mutation": {"rank": 64}},
    "random-genomes": {
        **LONG,
        "strategy": "RandomGenomes",
        "crossover": {"granularity": "Block"},
    },
    "cma-es": {**LONG, "strategy": "CMAES", "crossover": {"granularity": "Band"}},
    "nsga2": {**LONG, "strategy": "NSGA2", "crossover": {"granularity": "Band"}},
    "task-arithmetic": {**GRID, "strategy": "TaskArithmetic"},
    "ties": {**GRID, "strategy": "TIES"},
    "dare": {**GRID, "strategy": "DARE"},
    "iso-c": {**GRID, "strategy": "IsoC"},
    "tsv-m": {**GRID, "strategy": "TSVM"},
    "opcm": {**GRID, "strategy": "OPCM"},
    "tuned-scalar": {**TUNES, "generations": 10},
    # What the grid's scores do not tell: tunes of larger factors end higher (docs/search.md).
    "tuned-0-75": {**TUNES, "generations": 7, "tunedScalar": {"factor": "0.75"}},
    "tuned-base": {**TUNES, "generations": 7, "tunedScalar": {"factor": "0"}},
}
"""``spec.evolution`` of each method; all are compared with the first."""
POOLED = "pooled"
"""Not a search: the expert of all skills, trained on the private questions of all experts."""
ITSELF = {
    "strategy": "UniformMerge",
    "generations": 1,
    "candidatesPerGeneration": 1,
    "pipelineDepth": 1,
}
"""The only candidate is the expert once more, so that the expert is what the run finds."""


def write_manifest(name: str, given: Material) -> Path:
    """A method's manifest."""
    if name == POOLED:
        return given.write_manifest(name, ITSELF, experts=(POOLED,))
    return given.write_manifest(name, METHODS[name])


def main() -> None:
    """Write the manifests and compare them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser, seeds=[11, 12, 13], out=Path("out/benchmark"))
    methods = [*METHODS, POOLED]
    parser.add_argument("--methods", nargs="+", default=methods, choices=methods)
    arguments = parser.parse_args()
    if set(arguments.methods) == {POOLED}:
        parser.error("--methods: pooled is what others are compared with; name one of them too")
    given = material(arguments)
    files = {name: write_manifest(name, given) for name in arguments.methods}
    reference = ["--reference", str(files.pop(POOLED))] if POOLED in files else []
    sys.exit(compare(arguments, given.folder, files.values(), *reference))


if __name__ == "__main__":
    main()
