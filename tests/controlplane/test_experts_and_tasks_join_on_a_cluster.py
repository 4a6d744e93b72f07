"""A living run is edited: an expert and a task join it, and its pods go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.controlplane.growing import GENERATIONS, beginning, check_growth

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from devcluster.played.pod_player import PodPlayer

    from tests.controlplane.runs import ClusterRun
    from tests.servers.s3 import S3Server

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(1800)]


def test_an_edited_run_grows_and_its_pods_go_on(
    cluster_run: Callable[..., ClusterRun],
    examples: S3Server,
    node: PodPlayer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    run = cluster_run(GENERATIONS, workers={"replicas": 2}, **beginning(examples))
    check_growth(run, tmp_path, monkeypatch)
