"""A comparison goes on after a kill with equal bytes, and refuses runs that are not alike."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cycleqd.compare.agreement import with_seed
from cycleqd.compare.comparing import measure
from cycleqd.compare.held_out import count_items
from cycleqd.compare.trials import Trial, check_sources
from cycleqd.compare.write import write_comparison
from cycleqd.errors import DatasetError, RunMismatch, VerificationError
from cycleqd.manifest.model import Manifest
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

LIMIT = 12
COUNTS = dict.fromkeys(SKILLS, LIMIT)
FILES = ("compare.csv", "compare.json", "compare.md", "compare.png")


class ShortBench(SyntheticWorkbench):
    """Answers the first `LIMIT` items, and may be killed before an evaluation."""

    def __init__(self, run: RunStore, killed: Callable[[], bool] = lambda: False) -> None:
        super().__init__(run)
        self._killed = killed

    def evaluate(self, entry: EvaluateEntry, revision: Revision) -> ResultDocument:
        if self._killed():
            raise KeyboardInterrupt
        assert entry.split == "test"
        assert {task.items.test_limit for task in revision.spec.tasks} == {LIMIT}
        result = super().evaluate(entry, revision)
        outcomes = {task: marks[:LIMIT] for task, marks in result.outcomes.items()}
        return result.model_copy(update={"outcomes": outcomes})


def named(name: str, **evolution: object) -> Manifest:
    document = manifest(generations=3, **evolution)
    metadata = document.metadata.model_copy(update={"name": name})
    return document.model_copy(update={"metadata": metadata})


def put_items(store: Any, shared: bool = False) -> None:
    for skill in SKILLS:
        for split in ("search", "test"):
            prompts = [f"{'both' if shared else split} {n}" for n in range(ITEMS)]
            lines = [{"id": str(n), "prompt": p, "answer": "x"} for n, p in enumerate(prompts)]
            store.create(
                keys.items(skill, split), "".join(json.dumps(row) + "\n" for row in lines).encode()
            )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of two manifests with two seeds each."""
    folder = tmp_path_factory.mktemp("comparison")
    for name, strategy in (("cycleqd", "CycleQD"), ("random", "RandomGenomes")):
        for seed in (1, 2):
            store = open_store(str(folder / "runs" / f"{name}-{seed}"))
            put_items(store)
            do_everything(begin(store, with_seed(named(name, strategy=strategy), seed)))
    return folder


def trials_in(folder: Path) -> list[Trial]:
    return [
        Trial(name, seed, RunStore(open_store(str(folder / f"runs/{name}-{seed}"))), lambda o: None)
        for name in ("cycleqd", "random")
        for seed in (1, 2)
    ]


def compare(folder: Path, killed: Callable[[], bool] = lambda: False) -> dict[str, bytes]:
    comparison = measure(
        trials_in(folder),
        folder,
        COUNTS,
        limit=LIMIT,
        diversity=True,
        open_bench=lambda run: ShortBench(run, killed),
    )
    write_comparison(comparison, folder)
    return {name: (folder / name).read_bytes() for name in FILES}


def test_the_document_keeps_its_shape(finished: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished, tmp_path / "c")
    document = json.loads(compare(folder)["compare.json"])
    assert document["format"] == "cycleqd-compare/1"
    assert document["seeds"] == [1, 2]
    assert document["items"] == COUNTS
    assert [(row["name"], row["seed"]) for row in document["rows"]] == [
        (name, seed) for name in ("cycleqd", "random") for seed in (1, 2)
    ]
    row = document["rows"][0]
    assert set(row) == {
        "name",
        "seed",
        "seconds",
        "evaluations",
        "balanced",
        "aggregate",
        "qdScore",
        "coverage",
        "hypervolume",
        "members",
        "preferred",
        "verified",
        "heldOut",
    }
    assert set(row["balanced"]) == set(row["aggregate"]) == {"candidate", "scores", "mean", "min"}
    assert set(row["heldOut"]) == {"qdScore", "coverage", "hypervolume", "members", "preferred"}
    assert [reference["name"] for reference in document["references"]] == [
        "base",
        "expert sql",
        "expert python",
        "expert shell",
        "uniform merge",
    ]
    assert document["methods"][0]["balanced"]["gain"] is None
    assert document["methods"][1]["balanced"]["gainSeedError"] is not None


def test_rows_tell_what_the_stores_hold(finished: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished, tmp_path / "c")
    row = json.loads(compare(folder)["compare.json"])["rows"][1]
    results = [
        json.loads(path.read_text())
        for path in (folder / "runs/cycleqd-2/generations").glob("*/results/*.json")
    ]
    assert row["seconds"] == pytest.approx(sum(r["telemetry"]["seconds"] for r in results))
    evaluated = {r["candidate"]: r["scores"] for r in results if r["candidate"]}
    assert row["evaluations"] == len(evaluated)
    best = evaluated[row["balanced"]["candidate"]].values()
    archive = json.loads((folder / "runs/cycleqd-2/generations/000003/archive.json").read_text())
    members = {m["candidate"] for a in archive["archives"].values() for m in a["members"]}
    best_product = 1.0
    for score in best:
        best_product *= score
    for candidate in members:
        product = 1.0
        for score in evaluated[candidate].values():
            product *= score
        assert product <= best_product + 1e-12
    assert row["heldOut"]["members"] == len(members)
    assert row["qdScore"] == pytest.approx(
        sum(m["scores"][task] for task, a in archive["archives"].items() for m in a["members"])
    )
    assert row["hypervolume"] == archive["hypervolume"]


@pytest.mark.parametrize("done", [0, 1, 7])
def test_a_kill_changes_nothing(finished: Path, tmp_path: Path, done: int) -> None:
    undisturbed = compare(shutil.copytree(finished, tmp_path / "undisturbed"))
    folder = shutil.copytree(finished, tmp_path / "killed")
    left = iter(range(done))
    with pytest.raises(KeyboardInterrupt):
        compare(folder, killed=lambda: next(left, None) is None)
    kept = {path.name for path in (folder / "held-out").glob("*.json")}
    assert len(kept) == done
    assert compare(folder) == undisturbed


def test_what_is_kept_is_not_evaluated_again(finished: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished, tmp_path / "c")
    before = compare(folder)
    assert compare(folder, killed=lambda: True) == before


@pytest.mark.parametrize("content", [b"", b"{", b'{"format": "cycleqd-held-out/1"}\n'])
def test_a_damaged_file_is_measured_again(finished: Path, tmp_path: Path, content: bytes) -> None:
    folder = shutil.copytree(finished, tmp_path / "c")
    before = compare(folder)
    damaged = min((folder / "held-out").glob("*.json"))
    whole = damaged.read_bytes()
    damaged.write_bytes(content)
    assert compare(folder) == before
    assert damaged.read_bytes() == whole


def test_a_runs_own_table_is_used_where_it_has_the_same_items(finished: Path) -> None:
    comparison = measure(
        trials_in(finished),
        finished,
        dict.fromkeys(SKILLS, ITEMS),
        open_bench=lambda run: pytest.fail("nothing is left to evaluate"),
    )
    summary = json.loads((finished / "runs/random-1/final/000003/summary.json").read_text())
    (row,) = (r for r in summary["rows"] if r["kind"] == "balanced")
    found = comparison.document.rows[2].balanced
    assert found is not None
    assert (found.candidate, found.scores) == (row["candidate"], row["test"])


def test_a_reference_says_what_it_finds_and_no_more(finished: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished, tmp_path / "c")
    row = json.loads(compare(folder)["compare.json"])["rows"][2]
    *mine, other, _ = trials_in(folder)
    document = measure(
        [*mine, replace(other, reference=True)], folder, COUNTS, limit=LIMIT, open_bench=ShortBench
    ).document
    assert {found.name for found in (*document.rows, *document.methods)} == {"cycleqd"}
    reference = document.references[-1]
    assert len(document.references) == 6
    assert (reference.name, reference.candidate) == ("random", row["balanced"]["candidate"])
    assert (reference.scores, reference.mean) == (
        row["balanced"]["scores"],
        row["balanced"]["mean"],
    )
    ours = document.methods[0].balanced
    assert ours is not None
    assert reference.gain == pytest.approx(reference.mean - ours.mean)


def test_other_weights_than_the_runs_are_noticed(finished: Path, tmp_path: Path) -> None:
    class Other(ShortBench):
        def evaluate(self, entry: EvaluateEntry, revision: Revision) -> ResultDocument:
            return super().evaluate(entry, revision).model_copy(update={"digest": "sha256:0"})

    with pytest.raises(VerificationError, match="cycleqd verify"):
        measure(trials_in(finished), tmp_path, COUNTS, limit=LIMIT, open_bench=Other)


def test_another_chat_template_is_noticed(finished: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished, tmp_path / "c")
    for digest, trial in enumerate(trials_in(folder)):
        store = trial.run.objects
        document = json.loads(store.read(keys.RUN))
        task = document["manifest"]["spec"]["tasks"][0]
        task |= {"chat": True, "chatTemplateFrom": "sql"}
        document["chatTemplates"] = {"sql": str(digest // 3)}
        store.delete(keys.RUN)
        store.create(keys.RUN, json.dumps(document).encode())
    *same, other = trials_in(folder)[:4]
    check_sources(same)
    for trial in (other, replace(other, reference=True)):
        with pytest.raises(RunMismatch, match=r"spec\.tasks \(sql\) chatTemplateFrom: .*"):
            check_sources([*same, trial])


def test_items_that_were_seen_are_refused(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    put_items(store, shared=True)
    with pytest.raises(DatasetError, match=r"spec\.tasks\[0\]\.items: search and test share 12"):
        count_items(begin(store, named("one")), LIMIT)


def test_items_are_counted(finished: Path) -> None:
    run = trials_in(finished)[0].run
    assert count_items(run, LIMIT) == COUNTS
    assert count_items(run, None) == dict.fromkeys(SKILLS, ITEMS)


def test_files_that_changed_in_between_are_noticed(finished: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished, tmp_path / "c")
    check_sources(trials_in(folder))
    store = open_store(str(folder / "runs/random-2"))
    document = json.loads(store.read(keys.RUN))
    document["items"]["python"]["test"]["digest"] = "0" * 64
    store.delete(keys.RUN)
    store.create(keys.RUN, json.dumps(document).encode())
    with pytest.raises(RunMismatch, match=r"spec\.tasks \(python\) items\.test: .*random-2"):
        check_sources(trials_in(folder))


def test_experts_of_a_reference_are_its_own(finished: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished, tmp_path / "c")
    store = open_store(str(folder / "runs/random-2"))
    document = json.loads(store.read(keys.RUN))
    document["experts"]["sql"]["digest"] = "sha256:1"
    store.delete(keys.RUN)
    store.create(keys.RUN, json.dumps(document).encode())
    *mine, other = trials_in(folder)
    check_sources([*mine, replace(other, reference=True)])
    with pytest.raises(RunMismatch, match=r"spec\.experts \(sql\)"):
        check_sources([*mine, other])
