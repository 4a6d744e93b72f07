"""What all tests share, made when a test first asks for it: servers, Kubernetes, the tiny example.

A fixture that stood in several folders' conftest.py would be made once for each of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.run.tiny import short_manifest, short_store, tiny_demo, tiny_store
from tests.selection import may_hold
from tests.servers.kubernetes import cluster, control_plane, kubectl, namespace
from tests.servers.operator import operator
from tests.servers.s3 import minio, versitygw
from tests.sharing import longest_first

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "cluster",
    "control_plane",
    "kubectl",
    "minio",
    "namespace",
    "operator",
    "short_manifest",
    "short_store",
    "tiny_demo",
    "tiny_store",
    "versitygw",
]


# The same examples every time, however slow the machine is.
settings.register_profile(
    "cycleqd",
    deadline=None,
    derandomize=True,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("cycleqd")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several processes take tests from one list, the long ones come first."""
    if config.getoption("loadgroup", default=False):  # so pytest-xdist tells its workers
        longest_first(items)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out files without a test of the chosen tier, unless they are asked for by name."""
    expression = config.getoption("markexpr")
    named = any(str(collection_path).endswith(given.partition("::")[0]) for given in config.args)
    if not expression or named or not collection_path.match("test_*.py"):
        return None
    return None if may_hold(collection_path, expression) else True
