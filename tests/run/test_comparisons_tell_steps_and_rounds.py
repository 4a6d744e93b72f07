"""A comparison tells what a step adds to the one before, and what children were first to solve."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cycleqd.compare.agreement import with_seed
from cycleqd.compare.comparing import Comparison, measure
from cycleqd.compare.markdown import markdown_of
from cycleqd.compare.trials import Trial
from cycleqd.records import keys
from cycleqd.records.documents import AnswersDocument
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

NAMES = ("merge", "start", "random")
GENERATIONS = 3


def finished(folder: Path, *, answers: bool = True) -> list[Trial]:
    """Three manifests with two seeds each; candidates answer what their outcomes say."""
    settings = {
        "merge": {"mutation": {"method": "None"}},
        "start": {"mutation": {"method": "None"}, "start": {"rays": 2, "design": 2}},
        "random": {"strategy": "RandomGenomes"},
    }
    trials = []
    for name in NAMES:
        document = manifest(generations=GENERATIONS, **settings[name])
        metadata = document.metadata.model_copy(update={"name": name})
        document = document.model_copy(update={"metadata": metadata})
        for seed in (1, 2):
            store = open_store(str(folder / f"{name}-{seed}"))
            for skill in SKILLS:
                for split in ("search", "test"):
                    lines = [json.dumps({"id": str(n), "prompt": str(n)}) for n in range(ITEMS)]
                    store.create(keys.items(skill, split), "\n".join(lines).encode())
            do_everything(begin(store, with_seed(document, seed)))
            run = RunStore(store)
            for _, candidate, outcomes in evaluated(folder / f"{name}-{seed}") if answers else ():
                given = {
                    task: {str(n): "x" for n, mark in enumerate(marks) if mark == "1"}
                    for task, marks in outcomes.items()
                }
                told = AnswersDocument(candidate=candidate, answers=given)
                store.create(keys.answers(candidate), told.to_bytes())
            trials.append(Trial(name, seed, run, lambda observe: None))
    return trials


def evaluated(folder: Path) -> list[tuple[int, str, dict[str, str]]]:
    """Generation, candidate and outcomes of all results on search items."""
    found = []
    for path in sorted((folder / "generations").glob("*/results/*.json")):
        result = json.loads(path.read_text())
        if result["candidate"]:
            found.append((int(path.parts[-3]), result["candidate"], result["outcomes"]))
    return found


def compared(trials: list[Trial], folder: Path, *, steps: bool = False) -> Comparison:
    counts = dict.fromkeys(SKILLS, ITEMS)
    return measure(trials, folder, counts, steps=steps, open_bench=SyntheticWorkbench)


def test_solved_items_are_those_of_the_outcomes(tmp_path: Path) -> None:
    document = compared(finished(tmp_path), tmp_path).document
    for row in document.rows:
        solved: dict[str, list[set[int]]] = {
            task: [set() for _ in range(GENERATIONS + 1)] for task in SKILLS
        }
        for generation, _, outcomes in evaluated(tmp_path / f"{row.name}-{row.seed}"):
            for task, marks in outcomes.items():
                right = {n for n, mark in enumerate(marks) if mark == "1"}
                for later in solved[task][generation:]:
                    later.update(right)
        assert row.verified == {
            task: tuple(len(items) for items in by_generation)
            for task, by_generation in solved.items()
        }
    first = [row.verified for row in document.rows if row.name == "merge"]
    assert document.methods[0].verified == tuple(
        sum(sum(run[task][g] for task in SKILLS) for run in first if run) / 2
        for g in range(GENERATIONS + 1)
    )
    assert any(m.verified and m.verified[-1] > m.verified[0] for m in document.methods)
    assert "first by children" in markdown_of(document)


def test_runs_without_answers_tell_nothing(tmp_path: Path) -> None:
    document = compared(finished(tmp_path, answers=False), tmp_path).document
    assert {row.verified for row in document.rows} == {None}
    assert {method.verified for method in document.methods} == {None}
    assert "Verified answers" not in markdown_of(document)


def test_every_step_is_compared_with_the_one_before(tmp_path: Path) -> None:
    trials = finished(tmp_path)
    document = compared(trials, tmp_path, steps=True).document
    assert [step.name for step in document.steps] == ["start", "random"]
    pair = compared(trials[2:], tmp_path).document
    assert document.steps == (document.methods[1], pair.methods[1])
    before, after = document.methods[1].balanced, document.steps[1].balanced
    assert before is not None
    assert after is not None
    assert after.gain == pytest.approx(after.mean - before.mean)
    text = markdown_of(document)
    assert "start after merge" in text
    assert "random after start" in text


def test_steps_are_told_on_demand_alone(tmp_path: Path) -> None:
    document = compared(finished(tmp_path), tmp_path).document
    assert document.steps == ()
    assert "## Steps" not in markdown_of(document)


def test_members_are_counted_on_search_items_too(tmp_path: Path) -> None:
    trials = finished(tmp_path)
    for row in compared(trials, tmp_path).document.rows:
        folder = tmp_path / f"{row.name}-{row.seed}"
        archives = json.loads((folder / f"generations/{GENERATIONS:06d}/archive.json").read_text())[
            "archives"
        ].values()
        members = {m["candidate"] for archive in archives for m in archive["members"]}
        assert row.members == len(members)
        assert 1 <= row.preferred <= row.members
