"""What each part of the search brings: steps of which each adds one thing to the one before.

    .venv/bin/python -m benchmarks.ablation --models tiny --seeds 1 2 3 --out out/ablation

All steps get about the same time: 80 evaluations, or fewer where some candidates are tuned. That is
so of the quickstart's models; of the tiny ones a tuned candidate costs about two evaluations, not
five, so that tuned steps take less than the others, to their disadvantage. Steps
that are a method of `benchmarks.quickstart` have its name, and with the same ``--out`` and
``--part`` its runs. Interrupted, the same command goes on; held-out items are those of
`benchmarks.comparison`. Needs `cycleqd demo-experts --preset MODELS` first.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from benchmarks.comparison import SHIPPED, add_options, compare, material
from benchmarks.quickstart import LONG, METHODS

PAPER = METHODS["paper"]
FOCUS_STAYS = 1_000_000
"""More candidates than a run has."""
LINE = {"method": "Line", "granularity": "Band"}
"""The default's crossover without soups."""
SHORT = {"generations": 4, "candidatesPerGeneration": 8, "pipelineDepth": 1}
"""The time of 80 evaluations where a third of the children are tuned."""
MERGE = {**PAPER, "selection": {"method": "Uniform"}, "mutation": {"method": "None"}}
STEPS: dict[str, dict[str, Any]] = {
    # Crossover alone: parents drawn evenly from the archive of the first task.
    "fixed-focus": {**MERGE, "cycleInterval": FOCUS_STAYS},
    "cycling": MERGE,
    # + ExpertSVD mutation.
    "svd": {**MERGE, "mutation": PAPER["mutation"]},
    # + elite sampling, which completes the paper.
    "paper": PAPER,
    # + rays and a coarse design to begin with, and crossover that leaves the scale free.
    "free-scale": {
        **PAPER,
        "start": {"rays": 6, "design": 6},
        "crossover": LINE,
    },
    # + the rest of that preset: no mutation, elites drawn more sharply, a mean of the front.
    "gradient-free": METHODS["gradient-free"],
    # + one round of tunes: three rays learn what experts and rays have proved, children only cross.
    "tune": {
        **LONG,
        "preset": "Default",
        "generations": 8,
        "crossover": LINE,
        "tune": {"share": "0", "epochs": 3, "rays": 3, "holdOutShare": "0.2"},
    },
    # + rounds: children are tuned too, on what those before them have solved since.
    "rounds": {**SHORT, "preset": "Default", "crossover": LINE},
    # + soups, which completes that preset.
    "soups": {**SHORT, "preset": "Default"},
    # + experts that teach what they hold likely.
    "distilled": {**SHORT, "preset": "Distilled"},
    # + most children tuned, and all items taught, which completes what is shipped.
    "cycleqd": METHODS["cycleqd"],
    # + racing.
    "racing": {**SHIPPED, "race": {}},
}
"""``spec.evolution`` of each step, in order."""


def main() -> None:
    """Write the manifests and compare them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser, seeds=[1, 2, 3], out=Path("out/ablation"))
    parser.add_argument("--steps", nargs="+", default=list(STEPS), choices=STEPS)
    arguments = parser.parse_args()
    given = material(arguments)
    chosen = [name for name in STEPS if name in arguments.steps]
    files = [given.write_manifest(name, STEPS[name]) for name in chosen]
    sys.exit(compare(arguments, given.folder, files, "--steps"))


if __name__ == "__main__":
    main()
