"""With ``diversity`` a row tells the archives' own measures, of the members' held-out scores.

Counted here from the stored members and their held-out answers, cell by cell.
"""

from __future__ import annotations

import hashlib
import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from cycleqd.compare.comparing import measure
from cycleqd.compare.preferences import preferred
from cycleqd.compare.trials import Trial
from cycleqd.records import keys
from cycleqd.records.documents import EvaluateEntry, ResultDocument
from cycleqd.run.revision import Revision
from cycleqd.run.store import RunStore
from cycleqd.store import open_store
from tests.run.synthetic import (
    ITEMS,
    SKILLS,
    SyntheticWorkbench,
    begin,
    do_everything,
    manifest,
)

GENERATIONS = 4
LIMIT = 12


class HeldOutBench(SyntheticWorkbench):
    """Other items than those of the search: its last `LIMIT`."""

    def evaluate(self, entry: EvaluateEntry, revision: Revision) -> ResultDocument:
        result = super().evaluate(entry, revision)
        outcomes = {task: marks[-LIMIT:] for task, marks in result.outcomes.items()}
        scores = {task: marks.count("1") / LIMIT for task, marks in outcomes.items()}
        return result.model_copy(update={"outcomes": outcomes, "scores": scores})


def test_every_measure(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "run"))
    for skill in SKILLS:
        for split in ("search", "test"):
            lines = [json.dumps({"id": str(n), "prompt": str(n)}) for n in range(ITEMS)]
            store.create(keys.items(skill, split), "\n".join(lines).encode())
    do_everything(begin(store, manifest(generations=GENERATIONS, start={"rays": 4, "design": 4})))
    run = RunStore(store)
    archive = json.loads(store.read(f"generations/{GENERATIONS:06d}/archive.json"))
    members = {m["candidate"] for a in archive["archives"].values() for m in a["members"]}
    revision, bench = run.latest(), HeldOutBench(run)

    def held_out(candidate: str) -> dict[str, float]:
        genome = hashlib.sha256(store.read(keys.genome(candidate))).hexdigest()
        entry = EvaluateEntry(candidate=candidate, genome=genome, split="test", tasks=SKILLS)
        return bench.evaluate(entry, revision).scores

    scores = {candidate: held_out(candidate) for candidate in members}
    searched = {
        m["candidate"]: m["scores"] for a in archive["archives"].values() for m in a["members"]
    }
    assert scores != searched

    def cell(task: str, by_task: dict[str, float]) -> tuple[int, ...]:
        place = []
        for other, axis in archive["axes"].items():
            edges = np.linspace(axis["lower"], axis["upper"], axis["bins"] + 1)
            if other != task:
                place.append(int(np.searchsorted(edges[1:-1], by_task[other], side="left")))
        return tuple(place)

    best: dict[tuple[str, tuple[int, ...]], float] = {}
    for task, by_task in product(SKILLS, scores.values()):
        here = (task, cell(task, by_task))
        best[here] = max(best.get(here, 0.0), by_task[task])
    bins = {axis["bins"] for axis in archive["axes"].values()}
    cells = len(SKILLS) * bins.pop() ** (len(SKILLS) - 1)
    # Scores are shares of LIMIT, so the volume is a number of small cubes.
    corners = np.array([[by_task[task] for task in SKILLS] for by_task in scores.values()])
    cubes = sum(
        bool((np.round(corners * LIMIT) > cube).all(axis=1).any())
        for cube in product(range(LIMIT), repeat=len(SKILLS))
    )

    trial = Trial("one", 0, run, lambda observe: None)
    counts = dict.fromkeys(SKILLS, LIMIT)
    found = measure([trial], tmp_path, counts, limit=LIMIT, diversity=True, open_bench=HeldOutBench)
    swarm = found.document.rows[0].held_out
    assert swarm is not None
    assert swarm.members == len(members)
    assert swarm.qd_score == pytest.approx(sum(best.values()))
    assert swarm.coverage == pytest.approx(len(best) / cells)
    assert swarm.hypervolume == pytest.approx(cubes / LIMIT ** len(SKILLS))
    assert swarm.preferred == preferred(corners.tolist())
