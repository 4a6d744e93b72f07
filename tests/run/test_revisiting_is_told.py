"""While somebody joins, everybody can see what is to come and how far it is."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from cycleqd.api.run import Run
from cycleqd.cli import app
from cycleqd.cli.progress import ProgressDisplay
from cycleqd.roles.coordinator import Coordinator, RunProgress
from cycleqd.roles.entry_queue import EntryQueue
from cycleqd.roles.worker import Worker, WorkerSettings
from cycleqd.run.store import RunStore
from cycleqd.run.timeline import timeline
from cycleqd.store import MemoryStore, ObjectStore, open_store
from tests.run.synthetic import (
    ITEMS,
    SKILLS,
    SyntheticWorkbench,
    begin,
    do_everything,
    grow,
    manifest,
)

LONGER = manifest(skills=(*SKILLS, "regex"), generations=8)


def grown(store: ObjectStore) -> RunStore:
    """A run of three generations that regex is to join."""
    run = begin(store, manifest(generations=3))
    do_everything(run)
    grow(run, LONGER)
    return run


def looks(run: RunStore) -> Iterator[RunProgress]:
    """What a coordinator sees before each evaluation, until the run is complete."""
    coordinator, queue = Coordinator(run), EntryQueue(run, 0, 1)
    worker = Worker(run, WorkerSettings(0, 1, scratch=None), SyntheticWorkbench(run))  # type: ignore[arg-type]
    while True:
        progress = coordinator.step()
        yield progress
        if progress.complete:
            return
        if (entry := queue.next()) is not None:
            worker.do(entry)


def test_each_evaluation_brings_it_further_until_all_are_done() -> None:
    run = grown(MemoryStore())
    seen = list(looks(run))
    (cost,) = timeline(run).costs
    told = [progress.revisiting for progress in seen if progress.revisiting is not None]
    assert {now.generation for now in told} == {cost.generation}
    assert {now.revision for now in told} == {1}
    assert {(now.members, now.newcomers) for now in told} == {(cost.revisited, cost.introduced)}
    of = cost.revisited + cost.introduced
    assert sorted({now.done for now in told}) == list(range(of)), "complete means committed"
    assert [now.done for now in told] == sorted(now.done for now in told)
    assert told[0].answers == ITEMS * (cost.revisited + 4 * cost.introduced)
    assert told[0].said() == "expert regex, task regex"
    in_force = [progress.revision.number for progress in seen]
    assert in_force == sorted(in_force)
    assert {*in_force} == {0, 1}
    assert {progress.accepted.number for progress in seen} == {1}


def test_status_tells_it_while_it_lasts(tmp_path: Path) -> None:
    run = grown(open_store(str(tmp_path)))
    assert Run(run.objects).status().revisiting is None
    for progress in looks(run):
        now, found = progress.revisiting, Run(run.objects).status().revisiting
        if now is None:
            assert found is None
            continue
        assert found is not None
        assert (found.revision, found.generation) == (now.revision, now.generation)
        assert (found.done, found.of) == (now.done, now.of)
        if now.done == 2:
            document = json.loads(
                CliRunner().invoke(app, ["status", str(tmp_path), "--json"]).output
            )
            assert document["revisiting"] == {
                "revision": 1,
                "generation": now.generation,
                "who": "expert regex, task regex",
                "done": 2,
                "of": now.of,
            }
            text = CliRunner().invoke(app, ["status", str(tmp_path)]).output
            assert f"expert regex, task regex join; 2 of {now.of} models evaluated" in text
    document = json.loads(CliRunner().invoke(app, ["status", str(tmp_path), "--json"]).output)
    assert document["revisiting"] is None


def test_the_command_says_what_is_to_come_and_then_how_far_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = grown(MemoryStore())
    with ProgressDisplay(Console(file=io.StringIO()), LONGER.spec, "synthetic") as display:
        for progress in looks(run):
            display.show(progress)
    (cost,) = timeline(run).costs
    of = cost.revisited + cost.introduced
    told = capsys.readouterr().err
    assert told.count("expert regex, task regex join;") == 1
    assert (
        f"generation {cost.generation}: expert regex, task regex join; {cost.revisited} members "
        f"and experts to evaluate on what is new, {cost.introduced} newcomers on everything: "
        f"{of} evaluations, "
    ) in told
    steps = [int(done) for done in re.findall(rf"Revisiting (\d+)/{of}", told)]
    assert steps == sorted(steps)
    assert 3 <= len(steps) <= 10
    assert told.index("join;") < told.index("Revisiting")


def test_a_change_that_lets_nobody_join_is_no_joining_of_its_own() -> None:
    run = grown(MemoryStore())
    grow(run, manifest(skills=(*SKILLS, "regex"), generations=9))
    assert [r.from_generation for r in run.history.refresh()][1:] == [4, 4]
    seen = [p.revisiting for p in looks(run) if p.revisiting is not None]
    (cost,) = timeline(run).costs
    assert cost.said() == seen[0].said() == "expert regex, task regex"
    assert {now.revision for now in seen} == {2}
