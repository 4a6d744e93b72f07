"""Strategies that need every result propose the same after any kill, and are verified."""

from __future__ import annotations

import pytest

from cycleqd.run.store import RunStore
from cycleqd.run.verification import Verifier
from tests.run.synthetic import archives, begin, digest_of, do_everything, fresh, manifest
from tests.run.test_resume_is_exact import Killed, MortalStore

FAILING = frozenset({"c000003", "c000010"})
RIVALS = {
    "CMAES": {"strategy": "CMAES"},
    "NSGA2": {"strategy": "NSGA2", "nsga2": {"population": 4}},
    "TunedScalar": {"strategy": "TunedScalar", "tune": {}, "tunedScalar": {"grid": 5}},
}


@pytest.mark.parametrize("name", RIVALS)
@pytest.mark.parametrize("depth", [1, 2])
def test_killed_again_and_again(name: str, depth: int) -> None:
    undisturbed = fresh(**RIVALS[name], pipelineDepth=depth)
    do_everything(undisturbed, failing=FAILING)
    verified = Verifier(undisturbed, lambda c: digest_of(undisturbed, c)).verify()
    assert (verified.plans, verified.archives, verified.summaries) == (8, 7, 1)
    store = MortalStore(9, after=True)
    begin(store, manifest(**RIVALS[name], pipelineDepth=depth))
    for _ in range(200):
        store.lives = 14
        try:
            do_everything(RunStore(store), failing=FAILING, order=-1)
        except Killed:
            continue
        break
    assert archives(store) == archives(undisturbed.objects)
