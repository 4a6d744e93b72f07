"""A patient store repeats every call until it is answered, and tells of trouble and its end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cycleqd.errors import (
    ConditionalWritesUnsupported,
    ObjectNotFound,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreUnavailable,
)
from cycleqd.store import MemoryStore, ObjectStore
from cycleqd.store.patient import LONGEST_PAUSE_SECONDS, PatientStore


class Flaky:
    """A store whose next calls fail."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self.failures: list[Exception] = []

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.store, name)
        if not callable(found):
            return found

        def call(*arguments: object) -> object:
            if self.failures:
                raise self.failures.pop(0)
            return found(*arguments)

        return call


class World:
    def __init__(self) -> None:
        self.flaky = Flaky(MemoryStore())
        self.told: list[StoreError | None] = []
        self.pauses: list[float] = []
        self.store = PatientStore(self.flaky, self.told.append, self.pauses.append)  # type: ignore[arg-type]


CALLS: dict[str, Callable[[ObjectStore, Path], object]] = {
    "create": lambda store, _: store.create("b", b"2"),
    "create_file": lambda store, path: store.create_file("c", path / "file"),
    "read": lambda store, _: store.read("a"),
    "read_range": lambda store, _: store.read_range("a", 0, 1),
    "download": lambda store, path: store.download("a", path / "copy"),
    "exists": lambda store, _: store.exists("a"),
    "size": lambda store, _: store.size("a"),
    "written": lambda store, _: store.written("a"),
    "list": lambda store, _: list(store.list("")),
    "children": lambda store, _: store.children(""),
    "delete": lambda store, _: store.delete("none"),
    "probe": lambda store, _: store.probe(),
}


def test_it_is_a_store() -> None:
    assert isinstance(World().store, ObjectStore)
    methods = {name for name in dir(ObjectStore) if not name.startswith("_")} - {"uri"}
    assert set(CALLS) == methods


@pytest.mark.parametrize("name", CALLS)
def test_every_call_waits(name: str, tmp_path: Path) -> None:
    world = World()
    (tmp_path / "file").write_bytes(b"3")
    world.store.create("a", b"1")
    want = (
        CALLS[name](world.flaky.store, tmp_path) if name not in ("create", "create_file") else True
    )
    world.flaky.failures = [StoreUnavailable("no answer"), StoreError("denied"), StoreFull("quota")]
    assert CALLS[name](world.store, tmp_path) == want
    assert [type(error) for error in world.told] == [
        StoreUnavailable,
        StoreError,
        StoreFull,
        type(None),
    ]
    assert world.pauses == [1.0, 2.0, 4.0]


def test_pauses_are_bounded() -> None:
    world = World()
    world.flaky.failures = [StoreUnavailable("no answer")] * 20
    assert world.store.exists("a") is False
    assert max(world.pauses) == LONGEST_PAUSE_SECONDS == world.pauses[-1]


def test_what_waiting_cannot_mend_is_raised() -> None:
    for error in (ObjectNotFound("a"), StoreCorrupt("a"), ConditionalWritesUnsupported("server")):
        world = World()
        world.flaky.failures = [error]
        with pytest.raises(type(error)):
            world.store.read("a")
        assert world.told == []


def test_a_missing_object_is_an_answer() -> None:
    world = World()
    world.flaky.failures = [StoreUnavailable("no answer")]
    with pytest.raises(ObjectNotFound):
        world.store.read("a")
    assert [error is None for error in world.told] == [False, True]
