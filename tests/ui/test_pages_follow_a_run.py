"""Pages show what is new, move nothing that is not, and outlive a store that is slow or away."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest
from starlette.testclient import TestClient

from cycleqd.errors import StoreUnavailable
from cycleqd.store import MemoryStore, PrefixedStore
from cycleqd.ui import app as app_module
from cycleqd.ui.app import make_app
from cycleqd.ui.watching import Watch
from tests.run.synthetic import begin, grow, manifest
from tests.ui.prefix import FOUR, advance, plan_next
from tests.ui.test_looks_are_bounded import Clock

HTMX = {"hx-request": "true"}


class Troubled:
    """A store that can be made to fail or to wait."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.away = False
        self.open = threading.Event()
        self.open.set()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.store, name)
        if not callable(found):
            return found

        def call(*arguments: object) -> object:
            self.open.wait(60)
            if self.away:
                raise StoreUnavailable("the store is away")
            return found(*arguments)

        return call


@pytest.fixture
def world() -> Any:
    class World:
        store = Troubled(MemoryStore())
        clock = Clock()
        run = begin(PrefixedStore(store.store, "one"), manifest(generations=9))
        watch = Watch(store, clock)  # type: ignore[arg-type]
        client = TestClient(make_app(watch), raise_server_exceptions=False)

        def later(self) -> None:
            self.clock.now += 60

    world = World()
    yield world
    world.store.open.set()
    world.watch.close()


def asks(html: str) -> str:
    found = re.search(r'hx-get="([^"]+)"', html)
    assert found is not None
    return found[1].replace("&amp;", "&")


@pytest.mark.parametrize(
    "address", ["/", "/runs/one", "/runs/one/archives/sql", "/compare?run=one"]
)
def test_what_has_not_changed_is_not_sent(world: Any, address: str) -> None:
    advance(world.run, 2)
    again = asks(world.client.get(address).text)
    world.later()
    assert world.client.get(again, headers=HTMX).status_code == 204
    advance(world.run, 2)
    world.later()
    changed = world.client.get(again, headers=HTMX)
    assert changed.status_code == 200
    assert changed.text.startswith('<div id="live"')
    assert "<html" not in changed.text
    assert world.client.get(asks(changed.text), headers=HTMX).status_code == 204


def test_a_run_is_followed_from_its_beginning(world: Any) -> None:
    assert "starting" in world.client.get("/runs/one").text
    advance(world.run, 3)
    plan_next(world.run)
    world.later()
    shown = world.client.get("/runs/one").text
    assert "searching" in shown
    assert "generation 4" in shown
    assert "0 / 4" in shown
    assert "every 4s" in shown
    advance(world.run, 12)
    world.later()
    shown = world.client.get("/runs/one").text
    assert "phase-complete" in shown
    assert "every 60s" in shown
    assert "balanced member" in shown


def test_revisiting_is_shown(world: Any) -> None:
    advance(world.run, 15)
    grow(world.run, manifest(generations=12, skills=FOUR))
    for _ in range(3):
        advance(world.run, 1)
        world.later()
        if world.client.get("/api/runs/one").json()["revisiting"]:
            break
    found = world.client.get("/api/runs/one").json()
    assert found["phase"] == "revisiting"
    assert found["revisiting"]["who"] == "expert regex, task regex"
    assert "<h2>Revisiting</h2>" in world.client.get("/runs/one").text


def test_a_new_run_appears_in_the_list(world: Any) -> None:
    assert "two" not in world.client.get("/").text
    begin(PrefixedStore(world.store.store, "two"), manifest())
    world.later()
    assert 'id="run-two"' in world.client.get("/").text


def test_an_outage_leaves_what_was_known(world: Any) -> None:
    advance(world.run, 3)
    known = world.client.get("/api/runs").json()["runs"]
    world.store.away = True
    world.later()
    found = world.client.get("/api/runs").json()
    assert found["runs"] == known
    assert {"id": "one", "message": "the store is away"} in found["problems"]
    listed = world.client.get("/")
    assert listed.status_code == 200
    assert "the store is away" in listed.text
    assert world.client.get("/runs/one").status_code == 503
    assert world.client.get("/healthz").status_code == 200
    world.store.away = False
    world.later()
    assert world.client.get("/api/runs").json()["problems"] == []


def test_a_slow_store_is_not_waited_for(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "PATIENCE_SECONDS", 0.05)
    world.store.open.clear()
    shown = world.client.get("/")
    assert shown.status_code == 200
    assert "still being read" in shown.text
    world.store.open.set()
    assert world.client.get("/api/runs").json()["runs"][0]["id"] == "one"
