"""The page over a prefix of synthetic runs, without a server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from cycleqd.store import MemoryStore
from cycleqd.ui.app import make_app
from cycleqd.ui.watching import Watch
from tests.ui.prefix import memory


@pytest.fixture(scope="session")
def prefix() -> MemoryStore:
    """Not to be written to."""
    return memory()


@pytest.fixture(scope="session")
def page(prefix: MemoryStore) -> Iterator[TestClient]:
    watch = Watch(prefix)
    yield TestClient(make_app(watch), raise_server_exceptions=False)
    watch.close()
