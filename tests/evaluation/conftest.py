from __future__ import annotations

from collections.abc import Iterator

import pytest
from containers import (  # type: ignore[import-not-found]  # found beside the tests
    PlayedContainer,
    has_landlock,
)

from cycleqd.evaluation.sandbox import Sandbox


@pytest.fixture(scope="session")
def container() -> Iterator[PlayedContainer]:
    """Another container, as another user where this one is root, without namespaces."""
    if not has_landlock():
        pytest.skip("this kernel contains nothing without root and namespaces")
    played = PlayedContainer()
    yield played
    played.close()


@pytest.fixture(scope="session", params=["namespaces", "plain", "container"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """The sandbox with and without namespaces, as this user, and in another container."""
    if request.param == "container":
        place = request.getfixturevalue("container").place
        with Sandbox(container=place, namespaces=False) as box:
            yield box
        return
    with Sandbox(namespaces=request.param == "namespaces") as box:
        if box.confinement != request.param:
            pytest.skip(f"this machine gives {box.confinement} only")
        yield box


@pytest.fixture(scope="session")
def any_sandbox() -> Iterator[Sandbox]:
    """The best sandbox of this machine."""
    with Sandbox() as box:
        yield box
