"""An environment without a trace of the machine's own tracing, and a receiver."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from .receiver import ENDPOINT, Receiver, receiving


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with receiving() as found:
        monkeypatch.setenv(ENDPOINT, found.endpoint)
        yield found
