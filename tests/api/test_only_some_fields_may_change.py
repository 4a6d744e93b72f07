"""A run's decisive fields are immutable, generations only grow, lists of names only get longer.

The changes are in `tests.api.changes`; that the coordinator agrees is tested without a cluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.manifest.documents import REMOVE, Edit, as_yaml, edited

from .changes import APPENDED, DECISIVE, FREE, MOVED, Refused
from .documents import VALID

if TYPE_CHECKING:
    from devcluster.base.cluster import Cluster

pytestmark = pytest.mark.controlplane


def stored(cluster: Cluster, namespace: str, name: str) -> dict[str, object]:
    found = cluster.get("cqd", name, namespace)
    assert found
    return found


@pytest.fixture(scope="module")
def agents(cluster: Cluster, shared_namespace: str) -> str:
    cluster.apply(edited({}, VALID), namespace=shared_namespace)
    return shared_namespace


@pytest.mark.parametrize("refused", [*DECISIVE, *MOVED], ids=lambda r: str(r.edit)[:70])
def test_what_may_not_change(cluster: Cluster, agents: str, refused: Refused) -> None:
    before = stored(cluster, agents, "agents")
    changed = as_yaml(edited(refused.edit, VALID))
    done = cluster.kubectl("apply", "-n", agents, "-f", "-", stdin=changed, check=False)
    assert done.returncode != 0, done.stdout
    assert refused.path in done.stderr
    assert refused.said in done.stderr
    assert stored(cluster, agents, "agents") == before


@pytest.mark.parametrize("edit", [*FREE, *APPENDED], ids=lambda edit: str(edit)[:70])
def test_what_may_change(
    cluster: Cluster, shared_namespace: str, edit: Edit, request: pytest.FixtureRequest
) -> None:
    name = f"free-{abs(hash(request.node.name)) % 10**9}"
    cluster.apply(edited({"metadata.name": name}, VALID), namespace=shared_namespace)
    cluster.apply(edited({**edit, "metadata.name": name}, VALID), namespace=shared_namespace)
    after = stored(cluster, shared_namespace, name)
    metadata = after["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["generation"] == (1 if "metadata.labels" in edit else 2)


def begin(cluster: Cluster, namespace: str, name: str) -> None:
    """What the operator writes once the coordinator has admitted the run."""
    cluster.apply(edited({"metadata.name": name}, VALID), namespace=namespace)
    status = f'{{"status": {{"runId": "{name}-0a1b2c3d"}}}}'
    patch = ["patch", "cqd", name, "-n", namespace, "--subresource=status", "--type=merge"]
    cluster.kubectl(*patch, "-p", status)


@pytest.mark.parametrize("edit", APPENDED, ids=str)
def test_experts_and_tasks_are_appended_to_a_run_that_has_begun(
    cluster: Cluster, shared_namespace: str, edit: Edit
) -> None:
    *_, field = edit
    name = f"begun-{field.removeprefix('spec.').removesuffix('[+]')}"
    begin(cluster, shared_namespace, name)
    cluster.apply(edited({**edit, "metadata.name": name}, VALID), namespace=shared_namespace)
    metadata = stored(cluster, shared_namespace, name)["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["generation"] == 2


def test_a_run_that_has_begun_is_suspended_extended_and_resumed(
    cluster: Cluster, shared_namespace: str
) -> None:
    begin(cluster, shared_namespace, "longer")
    for edit in (
        {"spec.suspend": True},
        {"spec.suspend": True, "spec.evolution.generations": 40},
        {"spec.evolution.generations": 40},
        {"spec.evolution.generations": 40, "spec.goal": REMOVE},
    ):
        changed = edited({**edit, "metadata.name": "longer"}, VALID)
        cluster.apply(changed, namespace=shared_namespace)
    metadata = stored(cluster, shared_namespace, "longer")["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["generation"] == 5
