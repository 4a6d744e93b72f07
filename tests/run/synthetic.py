"""A run without models: scores are a function of the genome. Isolates plan, commit and resume."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from cycleqd.evolution.genome import GenomeLayout, TensorSlot
from cycleqd.evolution.race import race_of
from cycleqd.manifest.model import Manifest
from cycleqd.manifest.reader import parse_manifest
from cycleqd.manifest.schema import canonical
from cycleqd.records import keys
from cycleqd.records.documents import (
    EvaluateEntry,
    FactorEntry,
    Failure,
    ItemsRecord,
    ResultDocument,
    RunDocument,
    SourceRecord,
    Telemetry,
)
from cycleqd.roles.coordinator import Coordinator
from cycleqd.run.revision import Revision
from cycleqd.run.store import RunStore
from cycleqd.store import MemoryStore, ObjectStore

if TYPE_CHECKING:
    from cycleqd.roles.worker import Workbench

ITEMS = 20
SKILLS = ("sql", "python", "shell")


def manifest(*, goal: tuple[str, str] | None = None, **evolution: object) -> Manifest:
    document: dict[str, Any] = {
        "apiVersion": "cycleqd.io/v1alpha1",
        "kind": "CycleQDRun",
        "metadata": {"name": "synthetic"},
        "spec": {
            "base": {"uri": "models/base"},
            "experts": [{"name": s, "uri": f"models/{s}"} for s in SKILLS],
            "tasks": [
                {
                    "name": s,
                    "type": "exact",
                    "items": {"search": f"{s}.search.jsonl", "test": f"{s}.test.jsonl"},
                }
                for s in SKILLS
            ],
            "evolution": {"generations": 6, "candidatesPerGeneration": 4, **evolution},
        },
    }
    if goal is not None:
        document["spec"]["goal"] = {"metric": goal[0], "value": goal[1]}
    return parse_manifest(json.dumps(document), "synthetic")


def canonical_text(document: Manifest) -> str:
    return json.dumps(canonical(document))


def layout() -> GenomeLayout:
    slots = [TensorSlot(f"layers.{n}.weight", (6, 4), rank=4, block=n) for n in range(3)] + [
        TensorSlot("norm.weight", (4,), rank=0, block=3)
    ]
    return GenomeLayout(SKILLS, tuple(slots))


def begin(store: ObjectStore, document: Manifest) -> RunStore:
    source = SourceRecord(uri="models/base", digest="sha256:0")
    item = ItemsRecord(uri="items", digest=hashlib.sha256(b"{}\n").hexdigest(), count=ITEMS)
    run = RunDocument(
        run_id="synthetic-0",
        manifest=canonical(document),
        engine="transformers",
        base=source,
        experts=dict.fromkeys(SKILLS, source),
        items={s: {"search": item, "test": item} for s in SKILLS},
        layout=layout().to_json(),
    )
    store.create(keys.RUN, run.to_bytes())
    for skill in SKILLS:
        for split in ("search", "test"):
            store.create(keys.items(skill, split), b"{}\n")
    return RunStore(store)


class SyntheticWorkbench:
    """Scores that reward skill shares near 0.5 each, so that merging pays."""

    def __init__(self, run: RunStore, failing: frozenset[str] = frozenset()) -> None:
        self._run = run
        self._failing = failing

    def factor(self, entry: FactorEntry, revision: Revision) -> str:
        return f"sha256:{entry.expert}"

    def evaluate(self, entry: EvaluateEntry, revision: Revision) -> ResultDocument:
        telemetry = Telemetry(worker=0, host="", seconds=0.0)
        if entry.candidate in self._failing:
            return ResultDocument(
                entry=0,
                candidate=entry.candidate,
                failure=Failure(cause="CandidateError", message="not finite"),
                telemetry=telemetry,
            )
        genome = self._run.genome(entry.candidate)
        share = genome.scale.astype(float).mean(axis=1)
        if genome.gain is not None:
            share = share + genome.gain.astype(float).mean(axis=1)
        solved = {}
        for number, task in enumerate(entry.tasks):
            level = float(np.clip(1.0 - abs(0.7 - share[number]), 0.0, 1.0))
            offset = 0 if entry.split == "search" else 1
            marks = [((i * 7 + offset) % ITEMS) / ITEMS < level for i in range(ITEMS)]
            solved[task] = "".join("1" if m else "0" for m in marks)
        race, stopped = race_of(revision.spec), False
        if race is not None and entry.race is not None:
            first = {task: race.first(task, ITEMS) for task in solved}
            early = {task: "".join(solved[task][p] for p in first[task]) for task in solved}
            stopped = race.is_lost(entry.race, early)
            if stopped:
                solved = {
                    task: "".join(m if p in first[task] else "-" for p, m in enumerate(row))
                    for task, row in solved.items()
                }
        return ResultDocument(
            entry=0,
            candidate=entry.candidate,
            scores={t: o.count("1") / (ITEMS - o.count("-")) for t, o in solved.items()},
            outcomes=solved,
            stopped=stopped,
            digest=f"sha256:{entry.genome}",
            telemetry=telemetry,
        )

    def close(self) -> None:
        pass


def digest_of(run: RunStore, candidate: str) -> str:
    return f"sha256:{hashlib.sha256(run.objects.read(keys.genome(candidate))).hexdigest()}"


def do_everything(
    run: RunStore,
    *,
    failing: frozenset[str] = frozenset(),
    order: int = 1,
    bench: Workbench | None = None,
) -> None:
    """Coordinator and one worker, turn by turn; ``order`` -1 does the newest entries first."""
    from cycleqd.roles.entry_queue import EntryQueue
    from cycleqd.roles.worker import Worker, WorkerSettings

    coordinator = Coordinator(run)
    bench = bench or SyntheticWorkbench(run, failing)
    queue = EntryQueue(run, 0, 1)
    worker = Worker(run, WorkerSettings(0, 1, scratch=None), bench)  # type: ignore[arg-type]
    for _ in range(500):
        if coordinator.step().complete:
            return
        while (work := queue.next()) is not None:
            if order < 0:
                plan = run.plan(work.stage)
                assert plan is not None
                missing = set(range(len(plan.entries))) - run.finished_entries(work.stage)
                index = max(missing)
                work = type(work)(work.stage, index, plan.entries[index], own=True)
            worker.do(work)
    raise AssertionError("the run did not end")


def archives(store: ObjectStore) -> dict[str, bytes]:
    return {
        key: store.read(key)
        for key in store.list("")
        if key.endswith(("archive.json", "plan.json", "summary.json", "genome.safetensors"))
    }


def fresh(*, goal: tuple[str, str] | None = None, **evolution: object) -> RunStore:
    return begin(MemoryStore(), manifest(goal=goal, **evolution))
