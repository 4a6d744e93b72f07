"""CycleQD against its baselines on the quickstart's models: several seeds, fresh held-out items.

Each method searches with the quickstart's items for about the same time, but for merges of a single
number, which need less. `cycleqd compare` runs them, evaluates what they choose
on held-out items that no run, and no one while tuning, has seen (part 1 or later of the test split;
the demo ships part 0), and writes its tables.

    .venv/bin/python -m benchmarks.quickstart --seeds 11 12 13 --part 1

Interrupted, the same command goes on. Needs `cycleqd demo-experts --pooled` first.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from cycleqd.demo.questions import draw
from cycleqd.demo.skills import SKILLS
from cycleqd.manifest.reader import load_manifest
from cycleqd.manifest.schema import canonical

ROOT = Path(__file__).resolve().parents[1]
QUICKSTART = ROOT / "manifests/examples/quickstart.yaml"
DEMO = "out/demo/smollm2"
FINAL_ITEMS = 200
LONG = {"generations": 10, "candidatesPerGeneration": 8, "pipelineDepth": 1}
"""80 evaluations: about the time of the shipped manifest's 32, of which some are tuned."""
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
METHODS: dict[str, dict[str, Any] | None] = {
    "cycleqd": None,
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
    "tuned-scalar": {**TUNES, "generations": 10},
    # What the grid's scores do not tell: tunes of larger factors end higher (docs/search.md).
    "tuned-0-75": {**TUNES, "generations": 7, "tunedScalar": {"factor": "0.75"}},
    "tuned-base": {**TUNES, "generations": 7, "tunedScalar": {"factor": "0"}},
}
"""``spec.evolution`` of each method, None for the shipped one, with which others are compared."""
POOLED = "pooled"
"""Not a search: the expert of all skills, trained on the private questions of all experts."""


def write_manifest(name: str, out: Path, items: Mapping[str, Path]) -> Path:
    """A method's manifest with its own held-out items, by skill."""
    document: dict[str, Any] = yaml.safe_load(QUICKSTART.read_text())
    document["metadata"]["name"] = name
    if name == POOLED:
        # Its only candidate is the expert itself once more, so that the expert is what it finds.
        document["spec"]["experts"] = [{"name": POOLED, "uri": f"{DEMO}/experts/{POOLED}"}]
        document["spec"]["evolution"] = {
            "strategy": "UniformMerge",
            "generations": 1,
            "candidatesPerGeneration": 1,
            "pipelineDepth": 1,
        }
    else:
        document["spec"]["evolution"] = METHODS[name] or document["spec"]["evolution"]
    for task in document["spec"]["tasks"]:
        # A run's own final table is not the comparison: one item keeps it short.
        task["items"] |= {"test": str(items[task["name"]]), "testLimit": 1}
    path = out / f"{name}.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def items_file(out: Path, skill: str, part: int) -> Path:
    """Held-out items of one part of the test split."""
    path = out / f"{skill}.final-{part}.jsonl"
    questions = draw(SKILLS[skill], "test", FINAL_ITEMS, seed=part)
    path.write_text("".join(json.dumps(question.item(skill)) + "\n" for question in questions))
    return path


def part_number(text: str) -> int:
    """A part that the demo does not ship."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no part; give a whole number from 1")
    return int(text)


def main() -> None:
    """Write the manifests and compare them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13])
    parser.add_argument("--out", type=Path, default=Path("out/benchmark"))
    parser.add_argument("--part", type=part_number, default=1, help="part of the test split")
    methods = [*METHODS, POOLED]
    parser.add_argument("--methods", nargs="+", default=methods, choices=methods)
    parser.add_argument("--workers", type=int, help="worker processes of each run")
    parser.add_argument("--diversity", action="store_true", help="evaluate all members")
    arguments = parser.parse_args()
    if set(arguments.methods) == {POOLED}:
        parser.error("--methods: pooled is what others are compared with; name one of them too")
    out: Path = arguments.out.resolve() / f"part-{arguments.part}"
    out.mkdir(parents=True, exist_ok=True)
    items = {skill: items_file(out, skill, arguments.part) for skill in SKILLS}
    files = {name: str(write_manifest(name, out, items)) for name in arguments.methods}
    reference = ["--reference", files.pop(POOLED)] if POOLED in files else []
    command = [sys.executable, "-m", "cycleqd.cli", "compare", *files.values(), *reference]
    command += ["--out", str(out)]
    command += ["--seeds", ",".join(map(str, arguments.seeds))]
    command += ["--workers", str(arguments.workers)] if arguments.workers else []
    command += ["--diversity"] if arguments.diversity else []
    done = subprocess.run(command, cwd=ROOT, check=False)
    if done.returncode == 0:
        print((out / "compare.md").read_text())
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
