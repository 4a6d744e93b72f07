"""With ``partner: Attraction`` a run resumes to equal bytes, and is verified by its outcomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from cycleqd.api.run import Run
from cycleqd.errors import VerificationError
from cycleqd.evolution.attraction import attraction
from cycleqd.records import keys
from cycleqd.records.documents import EvaluateEntry, ResultDocument
from cycleqd.run.store import RunStore
from cycleqd.run.verification import Verified, Verifier
from cycleqd.store import MemoryStore
from tests.run.synthetic import archives, digest_of, do_everything, fresh
from tests.run.test_resume_is_exact import Killed, MortalStore, begin, manifest

ATTRACTION = {"partner": "Attraction"}
GENERATIONS = 6


@pytest.fixture(scope="module")
def finished() -> RunStore:
    run = fresh(selection=ATTRACTION)
    do_everything(run)
    return run


def verify(run: RunStore) -> Verified:
    return Verifier(run, lambda candidate: digest_of(run, candidate)).verify()


def test_partners_add_items(finished: RunStore) -> None:
    results = list(Run(finished.objects).results())
    outcomes = {r.candidate: r.outcomes for r in results if r.split == "search"}
    children = 0
    for generation in range(1, GENERATIONS + 1):
        plan = finished.plan(keys.generation(generation))
        assert plan is not None
        for entry in plan.entries:
            assert isinstance(entry, EvaluateEntry)
            first, second = entry.parents
            assert attraction(outcomes[first], [outcomes[second]])[0] > 0
            children += 1
    assert children == 24


def test_killed_again_and_again(finished: RunStore) -> None:
    store = MortalStore(9, after=True)
    begin(store, manifest(selection=ATTRACTION))
    for _ in range(200):
        store.lives = 14
        try:
            do_everything(RunStore(store), order=-1)
        except Killed:
            continue
        break
    assert archives(store) == archives(finished.objects)
    assert verify(finished).plans == 1 + GENERATIONS + 1


@pytest.mark.parametrize("partner", ["Elite", "Attraction"])
def test_other_items_of_the_same_number_are_found_by_the_plans(partner: str) -> None:
    run = fresh(selection={"partner": partner})
    do_everything(run)
    forged = MemoryStore()
    experts = keys.generation(0)
    for key in run.objects.list(""):
        data = run.objects.read(key)
        if key.startswith(experts.results_prefix):
            result = ResultDocument.from_bytes(data, key)
            marks = {t: o[result.entry :] + o[: result.entry] for t, o in result.outcomes.items()}
            data = result.model_copy(update={"outcomes": marks}).to_bytes()
        forged.create(key, data)
    if partner == "Elite":
        verify(RunStore(forged))
        return
    with pytest.raises(VerificationError, match=r"generations/00000\d/plan\.json: differs"):
        verify(RunStore(forged))


def test_the_report_tells_it(finished: RunStore, tmp_path: Path) -> None:
    page = Run(finished.objects).report(tmp_path / "report.html").read_text()
    assert "Elite, partner Attraction" in page
    assert "Attraction + Linear + ExpertSVD" in page
