"""A checkpoint that does not fit ends its run before any worker's pod exists."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.controlplane.refusing import check_refusal, with_expert, wrong_expert

if TYPE_CHECKING:
    from collections.abc import Callable

    from devcluster.played.pod_player import PodPlayer

    from tests.controlplane.runs import ClusterRun
    from tests.servers.s3 import S3Server

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(600)]


def test_an_expert_of_another_width(
    cluster_run: Callable[..., ClusterRun], examples: S3Server, namespace: str, node: PodPlayer
) -> None:
    uri = wrong_expert(examples, f"wrong/{namespace}")
    run = cluster_run(3, workers={"replicas": 2}, **with_expert(uri))
    check_refusal(run, uri, 300)
