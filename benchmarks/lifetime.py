"""What a run's age costs: a long life with 40 revisions on a simulated landscape, without models.

    python -m benchmarks.lifetime [--generations 1000] [--ages 100 1000] [--json FILE]

Three skills at first; a fourth and a fifth join, ten experts, ten times items; other held-out items
and the tolerance change as often. Plans, commits, final tables and every object are a real run's,
only scores are computed. At each age it measures, in processes of their own: a coordinator that
starts anew and does a step, `cycleqd status`, `list`, `history` and `verify`, of all and of the
last ten generations: seconds, added memory at the peak, calls to the store, names in its listings
and bytes that were read. Steps of the living coordinator and looks of its worker are means over
some generations before that age. A store in memory (`/dev/shm`) leaves the disk out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from benchmarks.landscape import BLOCKS, Landscape
from benchmarks.measure import measure
from tests.run.synthetic import begin, grow, manifest

from cycleqd.api.run import Run
from cycleqd.manifest.model import Manifest
from cycleqd.records.documents import EvaluateEntry, FactorEntry, ResultDocument, Telemetry
from cycleqd.roles.coordinator import Coordinator
from cycleqd.roles.entry_queue import EntryQueue
from cycleqd.roles.worker import Worker, WorkerSettings
from cycleqd.run.revision import Revision
from cycleqd.run.store import RunStore
from cycleqd.run.timeline import timeline
from cycleqd.run.verification import Verifier
from cycleqd.store import ObjectStore, open_store

REVISIONS = 40
SKILLS = tuple(f"skill-{number}" for number in range(13))
FIRST_ITEMS = 20
LAST = 10
"""Generations of which the means of steps and looks are, and which `verify` looks at alone."""


class Counting:
    """A store that counts calls, listed names and bytes."""

    def __init__(self, objects: ObjectStore) -> None:
        self.objects = objects
        self.counts: Counter[str] = Counter()

    @property
    def uri(self) -> str:
        """Where the store is."""
        return self.objects.uri

    def __getattr__(self, name: str) -> Callable[..., object]:
        """A method of the store, with its answers counted."""
        method = getattr(self.objects, name)

        def call(*arguments: object) -> object:
            answer = method(*arguments)
            if isinstance(answer, Iterator):
                answer = [*answer]
            self.counts["calls"] += 1
            if isinstance(answer, list):
                self.counts["names"] += len(answer)
            if isinstance(answer, bytes):
                self.counts["bytes"] += len(answer)
            return answer

        return call


class LandscapeWorkbench:
    """Evaluates genomes of any number of experts on the landscape of all skills."""

    def __init__(self, run: RunStore) -> None:
        self._run = run
        self._landscape = Landscape.make(7, skills=len(SKILLS), items=120)

    def factor(self, entry: FactorEntry, revision: Revision) -> str:  # noqa: ARG002 - a Workbench
        """There is nothing to factor."""
        return f"sha256:{entry.expert}"

    def evaluate(self, entry: EvaluateEntry, revision: Revision) -> ResultDocument:
        """Scores on the items that the revision has."""
        genome = self._run.genome(entry.candidate)
        strength = np.zeros((len(SKILLS), BLOCKS))
        known = replace(self._landscape, layout=genome.layout).strength(genome)
        strength[: len(known)] = known  # experts join in the order of the skills
        solved = self._landscape.solved(strength)
        outcomes = {}
        for task in entry.tasks:
            count = revision.items[task][entry.split].count
            marks = solved[SKILLS.index(task)][entry.first_items.get(task, 0) : count]
            outcomes[task] = "".join("1" if mark else "0" for mark in marks)
        return ResultDocument(
            entry=0,
            candidate=entry.candidate,
            scores={task: marks.count("1") / len(marks) for task, marks in outcomes.items()},
            outcomes=outcomes,
            digest=f"sha256:{entry.genome}",
            telemetry=Telemetry(worker=0, host="landscape", seconds=0.0),
        )

    def close(self) -> None:
        """There is nothing to release."""


def manifest_after(revisions: int, generations: int) -> Manifest:
    """What is asked for after some of the 40 changes, which are of four kinds in turn."""
    done = range(1, revisions + 1)
    items: dict[str, dict[str, object]] = {}
    for change in done:
        task = SKILLS[change % 3]
        if change % 4 == 2:
            more = 5 * sum(c % 4 == 2 and c % 3 == change % 3 for c in done)
            items.setdefault(task, {})["searchLimit"] = FIRST_ITEMS + more
        elif change % 4 == 3:
            items.setdefault(task, {})["test"] = f"held-out-{change}.jsonl"
    experts = 3 + sum(change % 4 == 1 for change in done)
    tasks = 3 + sum(change in (1, 21) for change in done)
    return manifest(
        skills=SKILLS[:tasks],
        experts=SKILLS[:experts],
        items=items,
        tolerance=0.02 + 0.001 * (revisions // 4),
        generations=generations,
    )


class Life:
    """A run that is lived to some age, with the times of its steps and looks.

    Args:
        uri: an empty folder.
        generations: how long it is to live, which spreads the revisions.
    """

    def __init__(self, uri: str, generations: int) -> None:
        self._generations = generations
        self._objects = Counting(open_store(uri))
        begin(self._objects, manifest_after(0, generations))  # type: ignore[arg-type]
        self._run = RunStore(self._objects)  # type: ignore[arg-type]
        self._coordinator = Coordinator(self._run)
        self._queue = EntryQueue(self._run, 0, 1)
        settings = WorkerSettings(0, 1, scratch=None)  # type: ignore[arg-type]
        self._worker = Worker(self._run, settings, LandscapeWorkbench(self._run))
        self._changes = 0

    def live_to(self, age: int) -> dict[str, dict[str, float]]:
        """Go on until a generation is committed; means of a step and a look before that."""
        rows: dict[str, list[dict[str, float]]] = {"step": [], "look": []}
        while True:
            progress, step = self._timed(self._coordinator.step)
            while True:
                work, look = self._timed(self._queue.next)
                if work is None:
                    break
                rows["look"].append(look)
                self._worker.do(work)
            rows["step"].append(step)
            if progress.generation >= age:
                break
            due = progress.generation * (REVISIONS + 1) // self._generations
            if due > self._changes and self._changes < REVISIONS:
                self._changes += 1
                grow(self._run, manifest_after(self._changes, self._generations))
        return {
            what: {name: float(np.mean([row[name] for row in last])) for name in last[0]}
            for what, found in rows.items()
            if (last := found[-LAST * (4 if what == "look" else 1) :])
        }

    def _timed(self, work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
        self._objects.counts.clear()
        begun = time.perf_counter()
        found = work()
        seconds = time.perf_counter() - begun
        return found, {"seconds": seconds, **_counted(self._objects)}


def _counted(objects: Counting) -> dict[str, float]:
    return {name: objects.counts[name] for name in ("calls", "names", "bytes")}


def _restart(objects: ObjectStore) -> None:
    Coordinator(RunStore(objects)).step()


def _verify_last(objects: ObjectStore) -> None:
    run = RunStore(objects)
    Verifier(run, None).verify(max(0, run.committed() - LAST))


COMMANDS: Mapping[str, Callable[[ObjectStore], object]] = {
    "restart": _restart,
    "status": lambda objects: Run(objects).status(),
    "list": lambda objects: Run(objects).archives(),
    "history": lambda objects: timeline(RunStore(objects)),
    "verify the last": _verify_last,
    "verify": lambda objects: Verifier(RunStore(objects), None).verify(),
}


def measured(command: str, store: str) -> dict[str, float]:
    """What a command takes, in a process of its own."""
    arguments = [sys.executable, "-m", "benchmarks.lifetime", "--command", command]
    done = subprocess.run(
        [*arguments, "--store", store], check=True, capture_output=True, text=True
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure_here(command: str, store: str) -> dict[str, float]:
    """What a command takes in this process."""
    objects = Counting(open_store(store))
    seconds, megabytes = measure(lambda: COMMANDS[command](objects))  # type: ignore[arg-type]
    return {"seconds": seconds, **_counted(objects), "megabytes": megabytes}


def size(store: str) -> dict[str, float]:
    """Objects and bytes of a store, the checksums beside them left out."""
    found = [path for path in Path(store).rglob("*") if path.is_file()]
    kept = [path for path in found if not any(part.startswith(".") for part in path.parts)]
    return {"objects": len(kept), "bytes": sum(path.stat().st_size for path in kept)}


def main() -> None:
    """Live, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--generations", type=int, default=1000)
    parser.add_argument("--ages", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--store", default="")
    parser.add_argument("--command", choices=COMMANDS, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, help="a file for the figures")
    options = parser.parse_args()
    if options.command:
        json.dump(measure_here(options.command, options.store), sys.stdout)
        return
    ages: dict[int, dict[str, dict[str, float]]] = {}
    with TemporaryDirectory(dir="/dev/shm") as folder:
        store = options.store or f"{folder}/run"
        life = Life(store, options.generations)
        for age in options.ages:
            ages[age] = life.live_to(age)
            ages[age] |= {command: measured(command, store) for command in COMMANDS}
            ages[age]["store"] = size(store)
            sys.stdout.write(told(age, ages[age], ages[options.ages[0]]))
            sys.stdout.flush()
    if options.json is not None:
        document = {"generations": options.generations, "revisions": REVISIONS, "ages": ages}
        options.json.write_text(json.dumps(document, indent=2) + "\n")


def told(
    age: int, found: Mapping[str, Mapping[str, float]], young: Mapping[str, Mapping[str, float]]
) -> str:
    """A table of one age; in brackets the ratio to the first."""
    lines = [f"generation {age}"]
    for what, figures in found.items():
        cells = [
            f"{name} {value:.4g} ({value / (young[what][name] or 1):.1f})"
            for name, value in figures.items()
        ]
        lines.append(f"  {what:<16}{', '.join(cells)}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
