"""Taking the cluster down leaves nothing: no process, mount, namespace, cgroup, link or setting.

It runs after the other tests of real pods, and only where they brought the cluster up: a cluster
that somebody uses stays.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from devcluster.real import lifecycle, network
from devcluster.real.layout import home

if TYPE_CHECKING:
    from tests.nodes.site import Site

pytestmark = [pytest.mark.nodes, pytest.mark.timeout(600, func_only=True)]


def processes() -> list[str]:
    """Command lines of processes that belong to the cluster."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        if str(home()) in line or "containerd-shim" in line:
            found.append(line)
    return found


def test_down_removes_everything(own_site: Site, found_up: bool) -> None:
    if found_up:
        pytest.skip("the cluster was up before the tests; make cluster-down takes it down")
    forwarding = (home() / "forwarding").read_text()
    assert processes()
    lifecycle.down()
    assert processes() == []
    assert lifecycle.left() == []
    assert network.forwarding() == forwarding
    mounts = Path("/proc/self/mounts").read_text()
    assert "cqd-node" not in mounts
    assert not home().exists()
    lifecycle.down()  # once more is no error
