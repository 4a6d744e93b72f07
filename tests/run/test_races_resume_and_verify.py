"""A run that stops children early resumes, is verified, and says what it did."""

from __future__ import annotations

import pytest

from cycleqd.api.run import Run
from cycleqd.errors import VerificationError
from cycleqd.evolution.strategies import STRATEGIES
from cycleqd.records import keys
from cycleqd.records.documents import EvaluateEntry, ResultDocument
from cycleqd.run.store import RunStore
from cycleqd.run.verification import Verifier
from cycleqd.store import MemoryStore
from tests.run.synthetic import archives, begin, digest_of, do_everything, fresh, manifest
from tests.run.test_resume_is_exact import Killed, MortalStore

FREE: dict[str, object] = {"preset": "GradientFree", "start": {"rays": 4, "design": 8}}
RACED: dict[str, object] = {**FREE, "race": {"share": "0.5", "errors": "0.5"}}


@pytest.fixture(scope="module")
def finished() -> RunStore:
    run = fresh(**RACED)
    do_everything(run)
    return run


def results(run: RunStore) -> list[tuple[str, EvaluateEntry, ResultDocument]]:
    found = []
    for number in range(1, 7):
        stage = keys.generation(number)
        plan = run.plan(stage)
        assert plan is not None
        for index, entry in enumerate(plan.entries):
            assert isinstance(entry, EvaluateEntry)
            found.append((stage.result_key(index), entry, run.result(stage, index)))
    return found


def verify(run: RunStore) -> int:
    return Verifier(run, lambda candidate: digest_of(run, candidate)).verify().archives


def test_some_are_stopped_and_the_others_see_all_items(finished: RunStore) -> None:
    found = results(finished)
    stopped = [result for _, _, result in found if result.stopped]
    assert 0 < len(stopped) < len(found)
    assert all(entry.race is not None for _, entry, _ in found)
    for result in stopped:
        assert {task: row.count("-") for task, row in result.outcomes.items()} == dict.fromkeys(
            ("sql", "python", "shell"), 10
        )
    members = {member.candidate for member in Run(finished.objects).members()}
    assert not members & {result.candidate for result in stopped}
    status = Run(finished.objects).status()
    assert (status.stopped, status.evaluations) == (len(stopped), 27)


def test_it_is_verified(finished: RunStore) -> None:
    assert verify(finished) == 7


@pytest.mark.parametrize(
    ("stopped", "words"),
    [
        (True, {"stopped": False}),
        (False, {"stopped": True}),
        (True, {"outcomes": dict.fromkeys(("sql", "python", "shell"), "-" * 20)}),
        (True, {"outcomes": dict.fromkeys(("sql", "python", "shell"), "0" * 20)}),
    ],
)
def test_a_wrong_word_of_a_worker_is_found(
    finished: RunStore, stopped: bool, words: dict[str, object]
) -> None:
    key, _, told = next(each for each in results(finished) if each[2].stopped is stopped)
    with pytest.raises(VerificationError, match=key):
        verify(with_result(finished, RACED, key, told.model_copy(update=words)))


def test_none_may_be_stopped_where_the_plan_says_nothing_of_it() -> None:
    run = fresh(**FREE)
    do_everything(run)
    key, _, told = results(run)[0]
    with pytest.raises(VerificationError, match="though its plan says nothing of it"):
        verify(with_result(run, FREE, key, told.model_copy(update={"stopped": True})))


def with_result(
    run: RunStore, evolution: dict[str, object], key: str, document: ResultDocument
) -> RunStore:
    """A copy of a run in which a worker has written another result."""
    forged = MemoryStore()
    begin(forged, manifest(**evolution))
    for name in run.objects.list(""):
        forged.create(name, document.to_bytes() if name == key else run.objects.read(name))
    return RunStore(forged)


@pytest.mark.parametrize("lives", [3, 17, 40, 63])
def test_killed_anywhere_it_ends_the_same(finished: RunStore, lives: int) -> None:
    store = MortalStore(0, after=lives % 2 == 0)
    begin(store, manifest(**RACED))
    store.lives = lives
    with pytest.raises(Killed):
        do_everything(RunStore(store))
    do_everything(RunStore(store))
    assert archives(store) == archives(finished.objects)


def test_who_learns_is_asked_everything() -> None:
    run = fresh(preset="Default", race={})
    do_everything(run)
    entries = [entry for _, entry, _ in results(run)]
    assert any(entry.tune is not None for entry in entries)
    assert all((entry.race is None) is (entry.tune is not None) for entry in entries)


def test_strategies_that_need_all_scores_race_nobody() -> None:
    racing = {name for name in STRATEGIES.names if STRATEGIES.entries[name].races}
    assert racing == {"CycleQD", "RandomGenomes"}
    run = fresh(strategy="CMAES", race={})
    do_everything(run)
    assert all(entry.race is None for _, entry, _ in results(run))
