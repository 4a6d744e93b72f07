"""What a killed probe left is removed by a later one, and what another has just begun stays."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from cycleqd.store import MemoryStore, ObjectStore, open_store


@pytest.mark.parametrize("kind", ["memory", "folder"])
def test_what_is_an_hour_old_is_removed(kind: str, tmp_path: Path) -> None:
    store: ObjectStore = MemoryStore() if kind == "memory" else open_store(str(tmp_path / "s"))
    now = int(time.time())
    old, young, foreign = f"probe/{now - 4000}-0a", f"probe/{now - 60}-0b", "probe/0c"
    for key in (old, young, foreign):
        store.create(key, b"left\n")
    store.probe()
    assert sorted(store.list()) == sorted([young, foreign])
