"""A run in real pods is edited and grows like one on a control plane whose pods are played."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.controlplane.growing import GENERATIONS, beginning, check_grown, grow

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.controlplane.runs import ClusterRun
    from tests.nodes.site import Site

pytestmark = [pytest.mark.nodes, pytest.mark.timeout(1800, func_only=True)]


def test_an_edited_run_grows(
    site: Site, pod_run: Callable[..., ClusterRun], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = pod_run(GENERATIONS, workers={"replicas": 2}, **beginning(site.server))
    refused = grow(run, sees_edits_at_once=False)
    check_grown(run, refused, tmp_path, monkeypatch)
