"""A reached goal ends a run as if its generations were fewer; a raised one continues it exactly."""

from __future__ import annotations

from pathlib import Path

import pytest

from cycleqd.evolution.goal import total_qd_score
from cycleqd.records import keys
from cycleqd.roles.coordinator import Coordinator
from cycleqd.roles.entry_queue import EntryQueue
from cycleqd.run.admission import admit
from cycleqd.run.members import resolve_member
from cycleqd.run.store import RunStore
from cycleqd.run.verification import Verifier
from cycleqd.store import MemoryStore
from tests.run.synthetic import archives, begin, digest_of, do_everything, fresh, manifest

GENERATIONS = 9


@pytest.fixture(scope="module")
def whole() -> RunStore:
    run = fresh(generations=GENERATIONS)
    do_everything(run)
    return run


def score_after(run: RunStore, generation: int) -> float:
    archive = run.archive(generation)
    assert archive is not None
    return total_qd_score(archive)


def goal_at(whole: RunStore, generation: int) -> tuple[str, str]:
    """A goal that the run reaches with this generation, and not before."""
    before, after = score_after(whole, generation - 1), score_after(whole, generation)
    assert before < after
    return ("QDScore", f"{(before + after) / 2:.6f}")


@pytest.fixture(scope="module")
def early(whole: RunStore) -> tuple[int, MemoryStore]:
    """A run that ends early, and where."""
    scores = [score_after(whole, g) for g in range(GENERATIONS + 1)]
    generation = next(g for g in range(3, GENERATIONS) if scores[g] > scores[g - 1])
    store = MemoryStore()
    do_everything(begin(store, manifest(generations=GENERATIONS, goal=goal_at(whole, generation))))
    return generation, store


def test_the_run_ends_there(early: tuple[int, MemoryStore], whole: RunStore) -> None:
    generation, store = early
    position = RunStore(store).position()
    assert (position.generation, position.generations) == (generation, GENERATIONS)
    assert position.complete
    assert position.goal_reached
    assert position.summary is not None
    assert position.summary.generations == generation
    want, found = archives(whole.objects), archives(store)
    commits = {key for key in found if key.endswith("archive.json")}
    assert commits == {keys.generation(g).commit_key for g in range(generation + 1)}
    assert {key: found[key] for key in commits} == {key: want[key] for key in commits}


def test_nothing_more_is_planned_or_worked_on(early: tuple[int, MemoryStore]) -> None:
    _, store = early
    before = sorted(store.list(""))
    run = RunStore(store)
    step = Coordinator(run).step()
    assert (step.complete, step.stages) == (True, ())
    queue = EntryQueue(run, 0, 1)
    assert queue.next() is None
    assert queue.complete()
    assert sorted(store.list("")) == before


def test_the_same_final_table_as_with_so_few_generations(early: tuple[int, MemoryStore]) -> None:
    generation, store = early
    short = fresh(generations=generation)
    do_everything(short)
    key = keys.final(generation).commit_key
    assert store.read(key) == short.objects.read(key)


def test_verify_and_names_of_members(early: tuple[int, MemoryStore]) -> None:
    generation, store = early
    run = RunStore(store)
    verified = Verifier(run, lambda candidate: digest_of(run, candidate)).verify()
    assert (verified.archives, verified.summaries) == (generation + 1, 1)
    assert resolve_member(run, "aggregate") == keys.aggregate(generation)


@pytest.mark.parametrize("change", ["no goal", "higher goal", "both"])
def test_going_on_equals_a_run_that_never_stopped(
    early: tuple[int, MemoryStore], whole: RunStore, tmp_path: Path, change: str
) -> None:
    generation, ended = early
    store = MemoryStore()
    for key in ended.list(""):
        store.create(key, ended.read(key))
    longer = {"no goal": GENERATIONS, "higher goal": GENERATIONS, "both": GENERATIONS + 2}[change]
    goal = None if change == "no goal" else ("QDScore", "100000")
    reference = whole
    if change == "both":
        reference = fresh(generations=longer)
        do_everything(reference)
    run = admit(store, manifest(generations=longer, goal=goal), checkpoints=tmp_path)
    assert [r.from_generation for r in run.history.refresh()] == [0, generation + 1]
    assert not run.position().complete
    do_everything(run)
    want, found = archives(reference.objects), archives(store)
    extra = set(found) - set(want)
    table = (f"final/{generation:06d}", f"candidates/aggregate-{generation:06d}")
    assert all(key.startswith(table) for key in extra)
    assert {key: found[key] for key in want} == want
    verified = Verifier(run, lambda candidate: digest_of(run, candidate)).verify()
    assert verified.summaries == 2


def test_a_raised_goal_is_noticed_by_a_worker_on_the_final_table(
    whole: RunStore, early: tuple[int, MemoryStore], tmp_path: Path
) -> None:
    """Manifests are read again when commits move or nothing is left, which must not lose work."""
    generation, _ = early
    store = MemoryStore()
    run = begin(store, manifest(generations=GENERATIONS, goal=goal_at(whole, generation)))
    from cycleqd.roles.worker import Worker, WorkerSettings
    from tests.run.synthetic import SyntheticWorkbench

    queue = EntryQueue(run, 0, 1)
    worker = Worker(run, WorkerSettings(0, 1, scratch=tmp_path), SyntheticWorkbench(run))
    coordinator = Coordinator(run)
    while not coordinator.step().ended:
        while (work := queue.next()) is not None:
            worker.do(work)
    work = queue.next()
    assert work is not None
    assert work.stage == keys.final(generation)
    admit(store, manifest(generations=GENERATIONS), checkpoints=tmp_path)
    coordinator = Coordinator(run)
    coordinator.step()
    while work is not None and work.stage.is_final:
        worker.do(work)
        work = queue.next()
    assert work is not None
    # The generation after the goal's was planned, and done, before the goal was reached.
    assert work.stage == keys.generation(generation + 2)
