"""With ``aggregate.method: Front`` a run tries means on search items, resumes and is verified."""

from __future__ import annotations

import pytest

from cycleqd.api.run import Run
from cycleqd.cli.tables import model_to_take
from cycleqd.errors import InputError, StoreCorrupt, VerificationError
from cycleqd.evolution.front import balance, standard_error
from cycleqd.evolution.metrics import geometric_mean
from cycleqd.records import keys
from cycleqd.records.documents import EvaluateEntry
from cycleqd.run.members import resolve_member
from cycleqd.run.planning import make_summary
from cycleqd.run.store import RunStore
from cycleqd.run.verification import Verifier
from cycleqd.store import MemoryStore
from tests.run.synthetic import archives, digest_of, do_everything, fresh
from tests.run.test_resume_is_exact import Killed, MortalStore, begin, manifest

FRONT = {"method": "Front", "members": 4}


@pytest.fixture(scope="module")
def finished() -> RunStore:
    run = fresh(aggregate=FRONT)
    do_everything(run)
    return run


def tried(run: RunStore) -> dict[str, dict[str, float]]:
    """Search scores of what the final stage tried."""
    stage = keys.final(6)
    plan = run.plan(stage)
    assert plan is not None
    return {
        entry.candidate: run.result(stage, index).scores
        for index, entry in enumerate(plan.entries)
        if isinstance(entry, EvaluateEntry) and entry.split == "search"
    }


def counts(run: RunStore) -> dict[str, int]:
    """Search items by task."""
    outcomes = run.result(keys.final(6), len(run.plan(keys.final(6)).entries) - 1).outcomes
    return {task: len(marks) for task, marks in outcomes.items()}


def test_the_aggregate_is_the_widest_mean_that_is_as_good_as_any(finished: RunStore) -> None:
    scores = tried(finished)
    assert list(scores) == [f"aggregate-000006-best-{size}" for size in (2, 4)]
    members = {m.candidate: m.scores for m in Run(finished.objects).members()}
    best = max((*scores.values(), *members.values()), key=lambda s: geometric_mean(s.values()))
    error = standard_error(best, counts(finished))
    good = [c for c, s in scores.items() if geometric_mean(s.values()) >= balance(best)[0] - error]
    status = Run(finished.objects).status()
    row = next(row for row in status.final if row.kind == "aggregate")
    assert row.candidate == (good or [resolve_member(finished, "balanced")])[-1]
    assert row.search == {**members, **scores}[row.candidate]
    assert resolve_member(finished, "aggregate") == row.candidate
    assert status.recommended is not None
    assert status.recommended.candidate == row.candidate


def test_it_is_verified_and_a_wrong_choice_is_found(finished: RunStore) -> None:
    def verify(run: RunStore) -> int:
        return Verifier(run, lambda candidate: digest_of(run, candidate)).verify().summaries

    assert verify(finished) == 1
    summary = finished.summary(6)
    assert summary is not None
    other = next(c for c in tried(finished) if c != summary.rows[-1].candidate)
    forged = MemoryStore()
    for key in finished.objects.list(""):
        if key != keys.final(6).commit_key:
            forged.create(key, finished.objects.read(key))
    rows = (*summary.rows[:-1], summary.rows[-1].model_copy(update={"candidate": other}))
    forged.create(keys.final(6).commit_key, summary.model_copy(update={"rows": rows}).to_bytes())
    with pytest.raises(VerificationError, match=r"summary\.json: differs"):
        verify(RunStore(forged))


@pytest.mark.parametrize("lives", [1, 4, 9, 14, 18, 19])
def test_killed_in_the_final_stage_it_ends_the_same(finished: RunStore, lives: int) -> None:
    store = MortalStore(0, after=lives % 2 == 0)
    begin(store, manifest(aggregate=FRONT))
    for key in finished.objects.list(""):
        if "final/" not in key and "aggregate-" not in key:
            store.create(key, finished.objects.read(key))
    store.lives = lives
    with pytest.raises(Killed):
        do_everything(RunStore(store))
    do_everything(RunStore(store))
    assert archives(store) == archives(finished.objects)


def test_means_that_fail_leave_the_balanced_member(finished: RunStore) -> None:
    run = fresh(aggregate=FRONT)
    do_everything(run, failing=frozenset(tried(finished)))
    status = Run(run.objects).status()
    candidates = {row.kind: row.candidate for row in status.final}
    assert candidates["aggregate"] == candidates["balanced"]


def test_before_the_end_there_is_no_aggregate() -> None:
    run = fresh(aggregate=FRONT)
    with pytest.raises(InputError, match="once the run is complete"):
        resolve_member(run, "aggregate")
    assert Run(run.objects).status().recommended is None


def test_results_of_another_plan_are_refused(finished: RunStore) -> None:
    from cycleqd.evolution.search import Commit

    revision = finished.latest()
    commit = Commit.from_document(finished.committed_archive(6), revision.tasks)
    results = finished.results(keys.final(6), range(3))
    with pytest.raises(StoreCorrupt, match="final/000006/results/: are not those of the finalists"):
        make_summary(revision, commit, results, None)


def test_the_command_names_store_and_candidate(finished: RunStore) -> None:
    status = Run(finished.objects).status()
    assert status.recommended is not None
    first, command = model_to_take(status.recommended, "out/my run")
    name = status.recommended.candidate
    assert first.startswith(f"model to take: {status.recommended.name} {name}, geometric mean 0.")
    assert command.strip() == f"cycleqd export 'out/my run' --member {name} --out {name}"
