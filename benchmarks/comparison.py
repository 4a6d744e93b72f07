"""What benchmarks of the search share: the demo's models, fresh held-out items, `cycleqd compare`.

A benchmark says how each of its methods searches (``spec.evolution``). All else is the
quickstart's, on whichever models `cycleqd demo-experts` has made, so that methods differ in the
search alone. Held-out items are of a part of the test split that no run, and no one while tuning,
has seen: part 1 or later, the demo ships part 0.

A result should not hang on one set of experts. The second set of the tiny preset is trained three
times as long as the usual one, until its experts answer nearly all of their own items and fewer of
the others'::

    .venv/bin/cycleqd demo-experts --preset tiny --epochs 12 --out out/demo/tiny-12
    .venv/bin/python -m benchmarks.quickstart --models tiny --experts out/demo/tiny-12 ...

Its best scalar merge is that of 0.66 (mean .572 of 60 search items a skill; a grid of 16 up to
1.5), the usual set's that of 0.38 (.550), that of a set of one epoch 0.28 to 0.47 (.539). These
optima are flat: either set's own best exceeds the other's by one paired standard error at most
(.011 +- .021 and .022 +- .023), and a merge of nearly the base alone has .517.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from cycleqd.demo.questions import draw
from cycleqd.demo.skills import SKILLS

ROOT = Path(__file__).resolve().parents[1]
QUICKSTART = ROOT / "manifests/examples/quickstart.yaml"
PRESETS = ("smollm2", "tiny")
SHIPPED: dict[str, Any] = yaml.safe_load(QUICKSTART.read_text())["spec"]["evolution"]
"""The quickstart's search."""
FINAL_ITEMS = 200
_SHIPPED = "out/demo/smollm2/"
"""Where the quickstart's manifest has its models and items."""


@dataclass(frozen=True)
class Material:
    """Models and items of a benchmark.

    Attributes:
        models: folder that `cycleqd demo-experts` has filled.
        folder: of the comparison; manifests and held-out items are written there.
        part: of the test split.
    """

    models: str
    folder: Path
    part: int

    def write_manifest(
        self,
        name: str,
        evolution: Mapping[str, Any],
        experts: Iterable[str] = SKILLS,
    ) -> Path:
        """A method's manifest with its own held-out items.

        Args:
            name: of the method.
            evolution: its search.
            experts: whom it merges.
        """
        document = yaml.safe_load(QUICKSTART.read_text().replace(_SHIPPED, f"{self.models}/"))
        document["metadata"]["name"] = name
        spec = document["spec"]
        spec["experts"] = [{"name": e, "uri": f"{self.models}/experts/{e}"} for e in experts]
        spec["evolution"] = dict(evolution)
        for task in spec["tasks"]:
            # A run's own final table is not the comparison: one item keeps it short.
            task["items"] |= {"test": str(self._items(task["name"])), "testLimit": 1}
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(document))
        return path

    def _items(self, skill: str) -> Path:
        path = self.folder / f"{skill}.final-{self.part}.jsonl"
        path.write_text(_final_items(skill, self.part))
        return path


@cache
def _final_items(skill: str, part: int) -> str:
    """JSONL of a skill's held-out items; drawing them anew for each method takes minutes."""
    questions = draw(SKILLS[skill], "test", FINAL_ITEMS, seed=part)
    return "".join(json.dumps(question.item(skill)) + "\n" for question in questions)


def add_options(parser: argparse.ArgumentParser, *, seeds: list[int], out: Path) -> None:
    """The options that `material` and `compare` take."""
    parser.add_argument("--models", choices=PRESETS, default="smollm2", help="preset of the demo")
    parser.add_argument(
        "--experts", type=Path, help="folder of the demo's models; out/demo/MODELS when absent"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=seeds)
    parser.add_argument("--out", type=Path, default=out)
    parser.add_argument("--part", type=_part, default=1, help="part of the test split")
    parser.add_argument("--workers", type=int, help="worker processes of each run")
    parser.add_argument("--diversity", action="store_true", help="evaluate all members")


def _part(text: str) -> int:
    """A part that the demo does not ship."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no part; give a whole number from 1")
    return int(text)


def material(arguments: argparse.Namespace) -> Material:
    """What the options name; its folder is made."""
    folder: Path = arguments.out.resolve() / f"part-{arguments.part}"
    folder.mkdir(parents=True, exist_ok=True)
    experts: Path | None = arguments.experts
    models = f"out/demo/{arguments.models}" if experts is None else str(experts.resolve())
    return Material(models, folder, arguments.part)


def compare(
    arguments: argparse.Namespace,
    folder: Path,
    manifests: Iterable[Path],
    *options: str,
) -> int:
    """Run `cycleqd compare` and print its tables.

    Args:
        arguments: by `add_options`.
        folder: where the comparison is kept.
        manifests: what is compared, the first with all others.
        options: further ones of the command.

    Returns:
        Its exit code.
    """
    command = [sys.executable, "-m", "cycleqd.cli", "compare", *map(str, manifests), *options]
    command += ["--out", str(folder), "--seeds", ",".join(map(str, arguments.seeds))]
    command += ["--workers", str(arguments.workers)] if arguments.workers else []
    command += ["--diversity"] if arguments.diversity else []
    done = subprocess.run(command, cwd=ROOT, check=False)
    if done.returncode == 0:
        print((folder / "compare.md").read_text())
    return done.returncode
