"""CycleQD against its baselines on the quickstart's models: several seeds, fresh held-out items.

Each method searches with the quickstart's items and the same number of evaluations; of each run one
model is chosen by the same rule, the highest geometric mean on the search items (the *balanced
member*), and for CycleQD the aggregate beside it. All chosen models are then evaluated on held-out
items that no run, and no one while tuning, has seen (part 1 of the test split; the demo ships part
0). Differences are paired by item.

    .venv/bin/python -m benchmarks.quickstart --seeds 11 12 13

Interrupted, the same command goes on. Needs `cycleqd demo-experts` first.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from cycleqd.demo.questions import draw
from cycleqd.demo.skills import SKILLS
from cycleqd.evaluation.engines import create_engine
from cycleqd.evaluation.evaluate import evaluate
from cycleqd.evaluation.sandbox import Sandbox
from cycleqd.evaluation.tasks import load_task
from cycleqd.manifest.reader import load_manifest
from cycleqd.run.members import resolve_member
from cycleqd.run.models import RunModels
from cycleqd.run.store import RunStore
from cycleqd.store import open_store
from cycleqd.store.cache import cache_folder

ROOT = Path(__file__).resolve().parents[1]
QUICKSTART = ROOT / "manifests/examples/quickstart.yaml"
RUN_SECONDS = 3600
FINAL_ITEMS = 200
SCALARS = 32
"""Points of the grid of scalar task arithmetic: one number needs no more."""


@dataclass(frozen=True)
class Chosen:
    """A model of the final comparison."""

    method: str
    seed: int | None
    store: Path
    member: str


def run(method: str, seed: int, out: Path, final_part: int) -> Path:
    """Run one method with one seed; returns its store."""
    document: dict[str, Any] = yaml.safe_load(QUICKSTART.read_text())
    name = f"{method.lower()}-{seed}"
    document["metadata"]["name"] = name
    spec = document["spec"]
    spec["seed"] = seed
    spec["evolution"]["strategy"] = method
    if method == "TaskArithmetic":
        spec["evolution"] |= {"generations": 4, "candidatesPerGeneration": SCALARS // 4}
    for task in spec["tasks"]:
        # The run's own final table is not the comparison: one item keeps it short.
        task["items"]["test"] = str(items_file(out, task["name"], final_part))
        task["items"]["testLimit"] = 1
    manifest = out / f"{name}.yaml"
    manifest.write_text(yaml.safe_dump(document))
    store = out / name
    command = [sys.executable, "-m", "cycleqd.cli", "run", str(manifest), "--store", str(store)]
    subprocess.run([*command, "--no-report"], check=True, cwd=ROOT, timeout=RUN_SECONDS)
    return store


def items_file(out: Path, skill: str, part: int) -> Path:
    """Held-out items of one part of the test split."""
    path = out / f"{skill}.final-{part}.jsonl"
    if not path.exists():
        questions = draw(SKILLS[skill], "test", FINAL_ITEMS, seed=part)
        path.write_text("".join(json.dumps(q.item(skill)) + "\n" for q in questions))
    return path


def outcomes_of(models: list[Chosen], out: Path, part: int) -> list[dict[str, np.ndarray]]:
    """For each model and skill (items,) 0 or 1."""
    spec = load_manifest(QUICKSTART).spec
    sandbox = Sandbox()
    tasks = [
        load_task(
            task.name,
            task.type,
            items_file(out, task.name, part),
            max_new_tokens=task.max_new_tokens,
            timeout_seconds=task.timeout_seconds,
            memory_mib=spec.evaluation.memory_limit_mib,
            stop=task.stop,
            sandbox=sandbox,
        )
        for task in spec.tasks
    ]
    engine = None
    found = []
    try:
        for model in models:
            run = RunStore(open_store(str(model.store)))
            weights = RunModels(run, cache_folder()).latest()
            engine = engine or create_engine(
                run.document.engine,
                weights.base.folder,
                dtype=spec.evaluation.dtype,
                threads=1,
                max_model_len=spec.evaluation.max_model_len,
                gpu_memory_utilization=spec.evaluation.gpu_memory_utilization,
            )
            genome = weights.genome(resolve_member(run, model.member))
            engine.load(weights.materializer.tensors(genome))
            result = evaluate(engine, tasks)
            found.append({name: np.array([int(m) for m in r.solved]) for name, r in result.items()})
            print(f"{model.method} {model.seed}", file=sys.stderr)
    finally:
        sandbox.close()
        if engine is not None:
            engine.close()
    return found


def mean_and_error(columns: list[np.ndarray]) -> tuple[float, float]:
    """Mean over skills of the mean over items, and its standard error over items."""
    variance = sum(float(c.var(ddof=1)) / len(c) for c in columns)
    return float(np.mean([c.mean() for c in columns])), variance**0.5 / len(columns)


def main() -> None:
    """Run, evaluate, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13])
    parser.add_argument("--out", type=Path, default=Path("out/benchmark"))
    parser.add_argument(
        "--part", type=int, default=1, choices=[1, 2, 3], help="part of the test split"
    )
    arguments = parser.parse_args()
    out: Path = arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)

    scalar = run("TaskArithmetic", 0, out, arguments.part)
    models = [
        Chosen("base", None, scalar, "base"),
        *(Chosen(f"expert {s}", None, scalar, f"expert-{s}") for s in ("sql", "python", "shell")),
        Chosen("uniform merge", None, scalar, "uniform-merge"),
        Chosen("best scalar", None, scalar, "balanced"),
    ]
    for seed in arguments.seeds:
        store = run("CycleQD", seed, out, arguments.part)
        models.append(Chosen("CycleQD balanced", seed, store, "balanced"))
        models.append(Chosen("CycleQD aggregate", seed, store, "aggregate"))
        store = run("RandomGenomes", seed, out, arguments.part)
        models.append(Chosen("random genomes", seed, store, "balanced"))
    report(models, outcomes_of(models, out, arguments.part))


def report(models: list[Chosen], found: list[dict[str, np.ndarray]]) -> None:
    """Print the table, then methods over seeds, then paired differences."""
    skills = list(found[0])
    print(
        f"{'model':20s} {'seed':>4s} " + " ".join(f"{s:>7s}" for s in skills) + "    mean     min"
    )
    by_method: dict[str, list[dict[str, np.ndarray]]] = {}
    for model, outcomes in zip(models, found, strict=True):
        by_method.setdefault(model.method, []).append(outcomes)
        scores = [outcomes[s].mean() for s in skills]
        seed = "" if model.seed is None else str(model.seed)
        print(
            f"{model.method:20s} {seed:>4s} "
            + " ".join(f"{score:7.3f}" for score in scores)
            + f" {np.mean(scores):7.3f} {min(scores):7.3f}"
        )
    print("\nmethod               seeds  mean (spread over seeds)   mean of minimum")
    for method, runs in by_method.items():
        means = [np.mean([o[s].mean() for s in skills]) for o in runs]
        lows = [min(o[s].mean() for s in skills) for o in runs]
        spread = f"{min(means):.3f}..{max(means):.3f}"
        print(f"{method:20s} {len(runs):5d}  {np.mean(means):.3f} ({spread})   {np.mean(lows):.3f}")
    print("\nmean over seeds, paired by item, +- standard error over items")
    averaged = {
        method: {s: np.mean([o[s] for o in runs], axis=0) for s in skills}
        for method, runs in by_method.items()
    }
    best_expert = max(
        (m for m in averaged if m.startswith("expert")),
        key=lambda m: np.mean([averaged[m][s].mean() for s in skills]),
    )
    for ours in ("CycleQD balanced", "CycleQD aggregate"):
        for other in ("uniform merge", "best scalar", "random genomes", best_expert):
            columns = [averaged[ours][s] - averaged[other][s] for s in skills]
            gain, error = mean_and_error(columns)
            print(f"{ours} - {other:16s} {gain:+.3f} +- {error:.3f}")


if __name__ == "__main__":
    main()
