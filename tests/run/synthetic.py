"""A run without models: scores are a function of the genome. Isolates plan, commit and resume."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from cycleqd.evolution.genome import GenomeLayout, TensorSlot
from cycleqd.evolution.joining import Joining, joining
from cycleqd.manifest.curriculum import Arrival, arrivals
from cycleqd.manifest.model import Manifest, Task
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
    Split,
    Telemetry,
)
from cycleqd.roles.coordinator import Coordinator
from cycleqd.run.continuation import Newcomers, accepted, continue_run
from cycleqd.run.revision import Revision
from cycleqd.run.store import RunStore
from cycleqd.store import MemoryStore, ObjectStore
from cycleqd.tracing.spans import NO_SPANS, Spans

if TYPE_CHECKING:
    from cycleqd.roles.worker import Workbench

ITEMS = 20
SKILLS = ("sql", "python", "shell")


def manifest(
    *,
    goal: tuple[str, str] | None = None,
    skills: Sequence[str] = SKILLS,
    experts: Sequence[str] | None = None,
    tolerance: float | None = None,
    curriculum: Sequence[Mapping[str, object]] = (),
    items: Mapping[str, Mapping[str, object]] = MappingProxyType({}),
    retired: Sequence[str] = (),
    without: Sequence[str] = (),
    **evolution: object,
) -> Manifest:
    document: dict[str, Any] = {
        "apiVersion": "cycleqd.io/v1alpha1",
        "kind": "CycleQDRun",
        "metadata": {"name": "synthetic"},
        "spec": {
            "base": {"uri": "models/base"},
            "experts": [
                {"name": s, "uri": f"models/{s}", **({"retired": True} if s in without else {})}
                for s in experts or skills
            ],
            "tasks": [
                {
                    "name": s,
                    "type": "exact",
                    "items": {
                        "search": f"{s}.search.jsonl",
                        "test": f"{s}.test.jsonl",
                        **items.get(s, {}),
                    },
                    **({"retired": True} if s in retired else {}),
                }
                for s in skills
            ],
            "curriculum": [*curriculum],
            "evolution": {"generations": 6, "candidatesPerGeneration": 4, **evolution},
        },
    }
    if goal is not None:
        document["spec"]["goal"] = {"metric": goal[0], "value": goal[1]}
    if tolerance is not None:
        document["spec"]["publication"] = {"tolerance": str(tolerance)}
    return parse_manifest(json.dumps(document), "synthetic")


def canonical_text(document: Manifest) -> str:
    return json.dumps(canonical(document))


def layout(experts: Sequence[str] = SKILLS) -> GenomeLayout:
    slots = [TensorSlot(f"layers.{n}.weight", (6, 4), rank=4, block=n) for n in range(3)] + [
        TensorSlot("norm.weight", (4,), rank=0, block=3)
    ]
    return GenomeLayout(tuple(experts), tuple(slots))


SOURCE = SourceRecord(uri="models/base", digest="sha256:0")
ITEM = ItemsRecord(uri="items", digest=hashlib.sha256(b"{}\n").hexdigest(), count=ITEMS)


def newcomers(store: ObjectStore, document: Manifest, new: Joining) -> Newcomers:
    """What joins a synthetic run, whose items are written like those that it began with."""
    _write_items(store, new.tasks)
    names = [expert.name for expert in document.spec.experts]
    return Newcomers(
        experts=dict.fromkeys(new.experts, SOURCE),
        items={task: {"search": ITEM, "test": ITEM} for task in new.tasks},
        layout=layout(names).to_json() if new.experts else None,
    )


def grow(run: RunStore, document: Manifest) -> None:
    """Continue a run with a longer manifest."""
    continue_run(run, document, partial(admit_synthetic, run.objects), renamed)


def admit_synthetic(
    store: ObjectStore,
    current: Revision,
    arrived: Sequence[Arrival],
    items: Mapping[str, frozenset[Split]],
) -> list[Newcomers]:
    """What all who join a synthetic run bring; the first also brings other items."""
    first, *later = _brought(store, [current.manifest, *(a.manifest for a in arrived)])
    tasks = {task.name: task for task in arrived[0].manifest.spec.tasks}
    other = {
        name: {
            split: _other_items(store, tasks[name], split, current.items[name][split])
            for split in splits
        }
        for name, splits in items.items()
    }
    return [replace(first, items={**first.items, **other}), *later]


def _brought(store: ObjectStore, manifests: Sequence[Manifest]) -> list[Newcomers]:
    """What those bring who join from one manifest to the next."""
    return [
        newcomers(store, now, joining(was.spec.without_retired(), now.spec.without_retired()))
        for was, now in itertools.pairwise(manifests)
    ]


def renamed(current: Revision, document: Manifest) -> dict[str, frozenset[Split]]:
    """The tasks whose items have another name or another limit."""
    found = {}
    pairs = zip(current.manifest.spec.tasks, document.spec.tasks, strict=False)
    for was, now in ((was, now) for was, now in pairs if not now.retired):
        splits: list[tuple[Split, bool]] = [
            ("search", _search_items(was) != _search_items(now)),
            ("test", was.items.test != now.items.test),
        ]
        if changed := frozenset(split for split, differs in splits if differs):
            found[now.name] = changed
    return found


def _search_items(task: Task) -> tuple[str, int | None]:
    return task.items.search, task.items.search_limit


def _other_items(store: ObjectStore, task: Task, split: Split, known: ItemsRecord) -> ItemsRecord:
    """Items after others; they extend these where they have the same name and a higher limit."""
    uri = task.items.search if split == "search" else task.items.test
    count = (task.items.search_limit if split == "search" else None) or ITEMS
    content = f"{uri} {count}\n".encode()
    digest = hashlib.sha256(content).hexdigest()
    store.create(keys.items(task.name, split, digest), content)
    same = known.uri in (uri, ITEM.uri if uri == f"{task.name}.{split}.jsonl" else uri)
    extends = (*known.extends, known.count) if same and count > known.count else ()
    return ItemsRecord(
        uri=uri, digest=digest, count=count, version=known.version + 1, extends=extends
    )


def _write_items(store: ObjectStore, tasks: Iterable[str]) -> None:
    for task in tasks:
        for split in ("search", "test"):
            store.create(keys.items(task, split), b"{}\n")


def begin(store: ObjectStore, document: Manifest) -> RunStore:
    first, *later = arrivals(document)
    spec = first.manifest.spec
    tasks = [task.name for task in spec.tasks]
    experts = [expert.name for expert in spec.experts]
    brought = _brought(store, [first.manifest, *(arrival.manifest for arrival in later)])
    steps = [step.generation for step in document.spec.curriculum]
    run = RunDocument(
        run_id="synthetic-0",
        manifest=canonical(first.manifest),
        engine="transformers",
        base=SOURCE,
        experts=dict.fromkeys(experts, SOURCE),
        items={task: {"search": ITEM, "test": ITEM} for task in tasks},
        layout=layout(experts).to_json(),
        revisions=tuple(accepted(later, brought, steps)),
    )
    store.create(keys.RUN, run.to_bytes())
    _write_items(store, tasks)
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
        shares = genome.scale.astype(float).mean(axis=1)
        if genome.gain is not None:
            shares = shares + genome.gain.astype(float).mean(axis=1)
        share = dict(zip(genome.layout.experts, shares, strict=True))
        solved = {}
        counts = {task: revision.items[task][entry.split].count for task in entry.tasks}
        for task in entry.tasks:
            record = revision.items[task][entry.split]
            level = float(np.clip(1.0 - abs(0.7 - share.get(task, 0.0)), 0.0, 1.0))
            offset = (0 if entry.split == "search" else 1) + 3 * (
                record.version - len(record.extends)
            )
            places = range(entry.first_items.get(task, 0), record.count)
            marks = [((i * 7 + offset) % ITEMS) / ITEMS < level for i in places]
            solved[task] = "".join("1" if m else "0" for m in marks)
        race, stopped = revision.race, False
        if race is not None and entry.race is not None:
            first = {task: race.first(task, counts[task]) for task in solved}
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
            scores={t: o.count("1") / (len(o) - o.count("-")) for t, o in solved.items()},
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
    spans: Spans = NO_SPANS,
) -> None:
    """Coordinator and one worker, turn by turn; ``order`` -1 does the newest entries first."""
    from cycleqd.roles.entry_queue import EntryQueue
    from cycleqd.roles.worker import Worker, WorkerSettings

    coordinator = Coordinator(run, spans)
    bench = bench or SyntheticWorkbench(run, failing)
    queue = EntryQueue(run, 0, 1)
    settings = WorkerSettings(0, 1, scratch=None)  # type: ignore[arg-type]
    worker = Worker(run, settings, bench, spans=spans)
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


def fresh(*, goal: tuple[str, str] | None = None, **evolution: Any) -> RunStore:
    return begin(MemoryStore(), manifest(goal=goal, **evolution))
