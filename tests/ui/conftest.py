"""The page over a prefix of synthetic runs, without a server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from cycleqd.store import MemoryStore
from cycleqd.ui import app as app_module
from cycleqd.ui.app import make_app
from cycleqd.ui.watching import Watch
from tests.ui.prefix import memory


@pytest.fixture(scope="session")
def prefix() -> MemoryStore:
    """Not to be written to."""
    return memory()


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine, too, a page is shown with all that it reads."""
    for name in ("PATIENCE_SECONDS", "AGED_PATIENCE_SECONDS", "DOCUMENT_PATIENCE_SECONDS"):
        monkeypatch.setattr(app_module, name, 60.0)


@pytest.fixture(scope="session")
def page(prefix: MemoryStore) -> Iterator[TestClient]:
    watch = Watch(prefix)
    yield TestClient(make_app(watch), raise_server_exceptions=False)
    watch.close()
