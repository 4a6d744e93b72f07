"""Raising ``generations`` of a finished run continues it as if it had been asked for at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from cycleqd.errors import RunMismatch
from cycleqd.records import keys
from cycleqd.run.admission import admit
from cycleqd.run.store import RunStore
from cycleqd.store import MemoryStore
from tests.run.synthetic import archives, begin, do_everything, fresh, manifest


def test_more_generations(tmp_path: Path) -> None:
    longer = fresh(generations=9)
    do_everything(longer)
    store = MemoryStore()
    do_everything(begin(store, manifest(generations=6)))
    assert RunStore(store).summary(6) is not None

    run = admit(store, manifest(generations=9), checkpoints=tmp_path)
    assert [r.from_generation for r in run.history.refresh()] == [0, 7]
    do_everything(run)

    want, found = archives(longer.objects), archives(store)
    extra = set(found) - set(want)
    assert all(key.startswith("final/000006") or "aggregate-000006" in key for key in extra)
    assert {key: found[key] for key in want} == want


def test_same_manifest_is_no_revision(tmp_path: Path) -> None:
    store = MemoryStore()
    begin(store, manifest())
    assert admit(store, manifest(), checkpoints=tmp_path).latest().number == 0


@pytest.mark.parametrize(
    "change", [{"generations": 3}, {"cycleInterval": 2}, {"candidatesPerGeneration": 5}]
)
def test_other_changes_are_refused(tmp_path: Path, change: dict[str, int]) -> None:
    store = MemoryStore()
    begin(store, manifest())
    before = sorted(store.list(""))
    with pytest.raises(RunMismatch, match=f"spec.evolution.{next(iter(change))}"):
        admit(store, manifest(**change), checkpoints=tmp_path)
    assert sorted(store.list("")) == before
    assert keys.RUN in before
