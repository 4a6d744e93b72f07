"""A CycleQDRun evolves in real pods to Complete, with the archives of `cycleqd run`, byte by byte.

In a namespace under the restricted Pod Security Standard, from the images of the Dockerfile and the
operator that the chart installed. The workers' GPUs are counted by the scheduler. Here each
generation has workers of its own; runs with a pool of workers are those that are disturbed, and one
that is edited and grows like one on a control plane whose pods are played.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.controlplane.growing import GENERATIONS as GROWING
from tests.controlplane.growing import beginning, check_grown, grow
from tests.controlplane.jobs import condition_of, eventually

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.controlplane.runs import ClusterRun
    from tests.nodes.site import Site

pytestmark = [pytest.mark.nodes, pytest.mark.timeout(1800, func_only=True)]

GENERATIONS = 3
SECONDS = 900


def test_archives_equal_those_of_one_machine(
    site: Site,
    pod_run: Callable[..., ClusterRun],
    reference: Callable[[int], dict[str, bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = pod_run(GENERATIONS, workers={"replicas": 2, "mode": "Generation"})
    workers = eventually(lambda: run.pods("worker"), 300)
    container = workers[0]["spec"]["containers"][0]
    assert container["image"] == site.worker_image
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    expected = reference(GENERATIONS)  # while the run goes on
    ended = run.wait_for_complete(SECONDS)
    assert ended["status"]["generation"] == GENERATIONS
    assert condition_of(ended, "Failed") == "False"
    assert ended["status"]["workers"]["failedPods"] == 0
    found = run.archives(monkeypatch)
    assert found.keys() == expected.keys()
    assert [key for key in found if found[key] != expected[key]] == []


def test_an_edited_run_grows(
    site: Site, pod_run: Callable[..., ClusterRun], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = pod_run(GROWING, workers={"replicas": 2}, **beginning(site.server))
    refused = grow(run, sees_edits_at_once=False)
    check_grown(run, refused, tmp_path, monkeypatch)
