"""A run that grows against what could be done instead, on held-out items.

    .venv/bin/cycleqd demo-experts --preset tiny --later
    .venv/bin/python -m benchmarks.lifelong --seeds 1 2 --out out/lifelong-benchmark

Three of the demo's skills are there at first, a fourth and a fifth join, in two orders:

- ``lifelong``, `manifests/examples/lifelong.yaml`: the archives' best, the published model, and the
  newest aggregate, which would be published if no gate held it back;
- ``joint``: all five from the start, with as many generations as have the same number of answers;
- ``averaging``: the mean of the experts so far, a row of the first one's tables;
- ``opcm``: the experts so far merged one by one, with the factor that the search items choose.

Accuracy is the mean over tasks at the last step, backward transfer and forgetting are those of
`cycleqd.evolution.memory`; a row is the mean over orders and seeds, and the difference of accuracy
to the published model is paired over them. Interrupted, the same command goes on.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import yaml

from cycleqd.evolution.memory import Answered, Memory, memory
from cycleqd.records import keys
from cycleqd.records.documents import EvaluateEntry
from cycleqd.run.store import RunStore
from cycleqd.run.timeline import held_out_answers, timeline
from cycleqd.store import open_store

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "manifests/examples/lifelong.yaml"
ORDERS = (("sql", "python", "shell", "regex", "json"), ("json", "regex", "shell", "python", "sql"))
AT_FIRST = 3
OPCM = {"strategy": "OPCM", "generations": 4, "candidatesPerGeneration": 4, "pipelineDepth": 1}
METHODS = (
    "lifelong, published",
    "lifelong, archives' best",
    "lifelong, aggregate",
    "joint",
    "averaging",
    "opcm",
)


@dataclass(frozen=True)
class Trial:
    """An order and a seed.

    Attributes:
        folder: of its manifests and stores.
        order: of the skills.
        seed: of its searches.
        workers: processes of each run.
    """

    folder: Path
    order: Sequence[str]
    seed: int
    workers: int

    def manifest(self, skills: int) -> dict[str, Any]:
        """The example with the first so many skills of the order, all there from the start."""
        document: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text())
        spec = document["spec"]
        spec["seed"] = self.seed
        for field in ("experts", "tasks"):
            known = {element["name"]: element for element in spec[field]}
            spec[field] = [known[name] for name in self.order[:skills]]
        del spec["curriculum"]
        return document

    def run(self, name: str, document: dict[str, Any]) -> RunStore:
        """The finished run of a manifest; goes on where it was interrupted."""
        document["metadata"]["name"] = name
        path, store = self.folder / f"{name}.yaml", self.folder / name
        path.write_text(yaml.safe_dump(document))
        command = [sys.executable, "-m", "cycleqd.cli", "run", str(path), "--store", str(store)]
        done = subprocess.run([*command, "--workers", str(self.workers)], cwd=ROOT, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)} ended with {done.returncode}; see above")
        return RunStore(open_store(str(store)))


Line = list[Mapping[str, Answered]]
"""By step, what one model made of the held-out items of each task."""


def lines_of(trial: Trial) -> Iterator[tuple[str, Line]]:
    """The accuracies of all methods, each as soon as it is known."""
    skills = len(trial.order)
    document = trial.manifest(skills)
    document["spec"]["curriculum"] = [
        {**step, "experts": [name], "tasks": [name]}
        for step, name in zip(_steps(), trial.order[AT_FIRST:], strict=True)
    ]
    grown = trial.run("lifelong", document)
    steps = timeline(grown).steps
    yield "lifelong, published", [step.published for step in steps]
    yield "lifelong, archives' best", [step.archive for step in steps]
    tables = [step.generation for step in steps]
    yield "lifelong, aggregate", [_of(grown, number, "aggregate") for number in tables]
    yield "averaging", [_of(grown, number, "uniform-merge") for number in tables]
    joint = trial.manifest(skills)
    evolution = joint["spec"]["evolution"]
    evolution["generations"] = _generations(grown, evolution["candidatesPerGeneration"], skills)
    yield "joint", [timeline(trial.run("joint", joint)).steps[-1].published]
    merged: Line = []
    for number in range(AT_FIRST, skills + 1):
        document = trial.manifest(number)
        document["spec"]["evolution"] = dict(OPCM)
        del document["spec"]["publication"]
        merged.append(timeline(trial.run(f"opcm-{number}", document)).steps[-1].published)
    yield "opcm", merged


def _steps() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(EXAMPLE.read_text())["spec"]["curriculum"]
    return found


def _of(run: RunStore, generation: int, kind: str) -> Mapping[str, Answered]:
    """What the row of a kind made of the held-out items of a table."""
    table = run.summary(generation)
    assert table is not None
    (who,) = (row.candidate for row in table.rows if row.kind == kind)
    asked = held_out_answers(run, generation)
    return {task: found for (candidate, task), found in asked.items() if candidate == who}


def _generations(grown: RunStore, children: int, skills: int) -> int:
    """As many as ask about as many items of all skills as the run that grew has asked."""
    asked = 0
    for number in range(grown.committed() + 1):
        plan, revision = grown.plan(keys.generation(number)), grown.history.as_of(number)
        assert plan is not None
        counts = {task: revision.items[task]["search"].count for task in revision.tasks}
        entries = [entry for entry in plan.entries if isinstance(entry, EvaluateEntry)]
        asked += sum(counts[task] for entry in entries for task in entry.tasks)
    whole = sum(splits["search"].count for splits in grown.latest().items.values())
    return max(1, round((asked / whole - skills) / children))


def _row(trial: Trial, name: str, line: Line) -> dict[str, Any]:
    found: Memory = memory(line, {}, {}, {})
    return {
        "method": name,
        "order": list(trial.order),
        "seed": trial.seed,
        "accuracy": [{task: one.accuracy for task, one in step.items()} for step in line],
        "acc": found.acc.value,
        "bwt": None if found.bwt is None else found.bwt.value,
        "forgetting": None if found.forgetting is None else found.forgetting.value,
    }


def _print(rows: Sequence[Mapping[str, Any]]) -> None:
    """The means over orders and seeds, with standard errors over them."""
    print(f"{'method':26}{'acc':>16}{'to published':>18}{'bwt':>16}{'forgetting':>16}")
    taken = {_key(row): row["acc"] for row in rows if row["method"] == METHODS[0]}
    for method in METHODS:
        mine = [row for row in rows if row["method"] == method]
        if not mine:
            continue
        gains = [row["acc"] - taken[_key(row)] for row in mine]
        columns = [_shown([row["acc"] for row in mine]), _shown(gains, sign="+")]
        columns += [
            _shown([row[name] for row in mine if row[name] is not None], sign="+")
            for name in ("bwt", "forgetting")
        ]
        print(f"{method:26}{columns[0]:>16}{columns[1]:>18}{columns[2]:>16}{columns[3]:>16}")


def _key(row: Mapping[str, Any]) -> tuple[str, int]:
    return " ".join(row["order"]), row["seed"]


def _shown(values: Sequence[float], sign: str = "") -> str:
    if not values:
        return ""
    error = stdev(values) / sqrt(len(values)) if len(values) > 1 else float("nan")
    return f"{fmean(values):{sign}.3f} ± {error:.3f}"


def main() -> None:
    """Run what is missing, print the table, write ``lifelong.json``."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--orders", type=int, default=len(ORDERS), choices=(1, len(ORDERS)))
    parser.add_argument("--out", type=Path, default=Path("out/lifelong-benchmark"))
    parser.add_argument("--workers", type=int, default=2, help="worker processes of each run")
    arguments = parser.parse_args()
    out: Path = arguments.out.resolve()
    rows: list[dict[str, Any]] = []
    for seed in arguments.seeds:
        for number, order in enumerate(ORDERS[: arguments.orders]):
            folder = out / f"order-{number}-seed-{seed}"
            folder.mkdir(parents=True, exist_ok=True)
            trial = Trial(folder, order, seed, arguments.workers)
            for name, line in lines_of(trial):
                rows.append(_row(trial, name, line))
                (out / "lifelong.json").write_text(json.dumps({"rows": rows}, indent=1) + "\n")
            _print(rows)


if __name__ == "__main__":
    main()
