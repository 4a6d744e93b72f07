"""Fixtures: a fake API server, pods on a folder store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pod.api import ConfigMapServer, serving
from tests.pod.pods import Pods, pods_of


@pytest.fixture
def api() -> Iterator[ConfigMapServer]:
    with serving() as server:
        yield server


@pytest.fixture
def pods(tmp_path: Path, api: ConfigMapServer) -> Iterator[Pods]:
    with pods_of(tmp_path / "pods", str(tmp_path / "store"), api) as made:
        yield made
