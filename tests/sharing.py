"""What the processes of one run of the tests share: a folder, and who begins with what."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

NO_LIMIT = 0.0


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """A temporary folder that all processes of this run of the tests see."""
    own = factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


def longest_first(items: list[pytest.Item]) -> None:
    """Sort tests by their time limits: no process ends with a long one while others idle."""
    items.sort(key=time_limit, reverse=True)


def time_limit(item: pytest.Item) -> float:
    """Seconds that a test says it may take, 0 where it has no limit of its own."""
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0]) if marker else NO_LIMIT
