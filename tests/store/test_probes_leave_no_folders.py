"""A folder that a probe had to make is gone after it; what others have or put there stays."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from cycleqd.errors import StoreError
from cycleqd.store import open_store


def test_missing_folders_are_gone_again(tmp_path: Path) -> None:
    open_store(str(tmp_path / "out" / "runs" / "one")).probe()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_there_stays(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    open_store(str(folder / "one")).probe()
    assert list(tmp_path.iterdir()) == [folder]
    assert list(folder.iterdir()) == []


def test_a_store_with_objects_is_as_before(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "out"))
    store.create("a/b", b"1")
    before = sorted(tmp_path.rglob("*"))
    store.probe()
    assert sorted(tmp_path.rglob("*")) == before
    assert store.read("a/b") == b"1"


def test_a_probe_that_fails_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(str(tmp_path / "out" / "one"))
    monkeypatch.setattr(type(store), "read", lambda _store, _key: b"something else")
    with pytest.raises(StoreError, match="something else than was written"):
        store.probe()
    assert list(tmp_path.iterdir()) == []


def test_objects_of_others_are_made_meanwhile(tmp_path: Path) -> None:
    """Folders that vanish beneath a writer are made again by it."""
    uri = str(tmp_path / "out" / "one")
    prober = threading.Thread(target=lambda: [open_store(uri).probe() for _ in range(5)])
    prober.start()
    store = open_store(uri)
    keys = [f"a/{number}" for number in range(40)]
    for key in keys:
        assert store.create(key, key.encode())
    prober.join()
    assert sorted(store.list()) == sorted(keys)
    assert [store.read(key) for key in keys] == [key.encode() for key in keys]
