from __future__ import annotations

from collections.abc import Iterator

import pytest

from cycleqd.evaluation.sandbox import Sandbox


@pytest.fixture(scope="session", params=["namespaces", "plain"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """The sandbox with and without namespaces, as this user."""
    with Sandbox(namespaces=request.param == "namespaces") as box:
        if box.confinement != request.param:
            pytest.skip(f"this machine gives {box.confinement} only")
        yield box


@pytest.fixture(scope="session")
def any_sandbox() -> Iterator[Sandbox]:
    """The best sandbox of this machine."""
    with Sandbox() as box:
        yield box
