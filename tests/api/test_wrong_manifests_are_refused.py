"""``kubectl apply`` of a wrong manifest is refused with words that name the field; none is stored.

The manifests, each with one fault, are in `tests.api.wrong`.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.manifest.documents import edited

from .documents import VALID
from .wrong import WRONG

if TYPE_CHECKING:
    from subprocess import CompletedProcess

    from devcluster.base.cluster import Cluster

    from .wrong_fields import Wrong

pytestmark = pytest.mark.controlplane


@pytest.fixture(scope="module")
def answers(cluster: Cluster, shared_namespace: str) -> dict[str, CompletedProcess[str]]:
    """By fault: what ``kubectl apply`` answered."""

    def apply(wrong: Wrong) -> CompletedProcess[str]:
        document = json.dumps(wrong.document())
        scope = ["-n", shared_namespace]
        return cluster.kubectl("apply", *scope, "-f", "-", stdin=document, check=False)

    with ThreadPoolExecutor(4) as pool:
        return dict(zip([wrong.fault for wrong in WRONG], pool.map(apply, WRONG), strict=True))


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.fault)
def test_the_answer_names_the_field(
    answers: dict[str, CompletedProcess[str]], wrong: Wrong
) -> None:
    answer = answers[wrong.fault]
    assert answer.returncode != 0, answer.stdout
    assert wrong.path in answer.stderr
    assert wrong.said in answer.stderr
    assert "hunter2" not in answer.stderr


def test_nothing_is_stored(
    cluster: Cluster, shared_namespace: str, answers: dict[str, CompletedProcess[str]]
) -> None:
    assert len(answers) == len(WRONG) >= 60
    for kind in ("cycleqdruns", "jobs", "pods"):
        assert cluster.list(kind, shared_namespace) == []


def test_the_manifest_without_a_fault_is_stored(cluster: Cluster, shared_namespace: str) -> None:
    cluster.apply(edited({"metadata.name": "right"}, VALID), namespace=shared_namespace)
    assert cluster.get("cqd", "right", shared_namespace)
    cluster.kubectl("delete", "cqd", "right", "-n", shared_namespace)
